/*
 * Connecting and logging in.
 */
#ifndef POOL_CONN_LOGIN_H
#define POOL_CONN_LOGIN_H

#include "conn/conn.h"

#include <stdbool.h>
#include <stdint.h>

/* Connects conn->mysql, whose options are set, to the server of the options, and logs in. It
 * may be another handle afterwards. `err` is not NULL. On failure the handle may be
 * connected and is of no use. */
bool pool__login(struct pool__conn *conn, const struct pool_credentials *credentials,
                 uint64_t deadline_ns, struct pool_error *err);

#endif /* POOL_CONN_LOGIN_H */
