/*
 * Commands of the protocol that are no statements. See command.c.
 */
#ifndef POOL_CONN_COMMAND_H
#define POOL_CONN_COMMAND_H

#include "conn/conn.h"

#include <stdbool.h>
#include <stdint.h>

struct st_mysql; /* libmariadb's MYSQL */

/* Sends a command that is answered by a bare OK. */
bool pool__command(struct pool__conn *conn, int (*command)(struct st_mysql *), uint64_t deadline_ns,
                   struct pool_error *err);

bool pool__command_ping(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err);

#endif
