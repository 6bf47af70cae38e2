/*
 * How many bytes have to be there before a socket counts as readable. See low_water.c.
 */
#ifndef POOL_CONN_LOW_WATER_H
#define POOL_CONN_LOW_WATER_H

#include "conn/conn.h"
#include "conn/stmt.h"

#include <stdbool.h>
#include <stddef.h>

/* Of the reply to this statement, on the socket, as far as earlier ones tell. */
size_t pool__low_water_reply(const struct pool__stmt *stmt, bool tls);

/* *least is what it is now. One system call, if that is something else. */
void pool__low_water_set(const struct pool__conn *conn, size_t bytes, int *least);

/* The bytes that are there. One system call. */
int pool__low_water_there(const struct pool__conn *conn);

#endif
