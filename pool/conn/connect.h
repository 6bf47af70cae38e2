/*
 * How a connection comes to be. See connect.c.
 */
#ifndef POOL_CONN_CONNECT_H
#define POOL_CONN_CONNECT_H

#include "config/options.h"
#include "conn/budget.h"
#include "conn/conn.h"

#include <stdbool.h>
#include <stdint.h>

/* Connects, logs in, proves TLS and prepares the session. `credentials` replace those
 * of the options. On failure there may still be a connection in *ret_conn, whose
 * set-up runs on the server: it is to be closed like any other. */
bool pool__connect(const struct pool__options *options, const struct pool_credentials *credentials,
                   struct pool__stmt_budget *budget, int cut_fd, uint64_t deadline_ns,
                   struct pool__conn **ret_conn, struct pool_error *err);

#endif
