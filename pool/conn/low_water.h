/*
 * How many bytes have to be there before a socket counts as readable. See low_water.c.
 */
#ifndef POOL_CONN_LOW_WATER_H
#define POOL_CONN_LOW_WATER_H

#include "conn/conn.h"
#include "conn/stmt.h"

#include <stdbool.h>
#include <stddef.h>

/* How many bytes the reply to this statement will have on the socket, as far as earlier ones
 * tell. */
size_t pool__low_water_reply(const struct pool__stmt *stmt, bool tls);

/* Asks for `bytes`. *least is what was asked for last: if that is the same there is no system call,
 * else one. */
void pool__low_water_set(const struct pool__conn *conn, size_t bytes, int *least);

/* How many bytes have come. One system call. */
int pool__low_water_there(const struct pool__conn *conn);

#endif
