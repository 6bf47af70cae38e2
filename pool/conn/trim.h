/*
 * Memory that a connection keeps for packets, and gives back. See trim.c.
 */
#ifndef POOL_CONN_TRIM_H
#define POOL_CONN_TRIM_H

#include "conn/conn.h"

#include <stdbool.h>

/* A buffer of more bytes than these is cut down when they have not been needed for a while. */
#define POOL__PACKET_BYTES (256 * 1024)

bool pool__trim_is_bulky(const struct pool__conn *conn);

/* After a statement, all of whose reply has been read. */
void pool__trim_note(struct pool__conn *conn);

/* Gives the memory back now. The caller owns the connection, and nothing is on its way. */
void pool__trim(struct pool__conn *conn);

#endif
