/*
 * Whether the server behind a Unix socket takes another connection.
 */
#ifndef POOL_CONN_BACKLOG_H
#define POOL_CONN_BACKLOG_H

#include "conn/wait.h"

#include <stdbool.h>

/* Waits, within the limits of *wait, while the server has as many connections that it has
 * not accepted yet as it may have. False, with the reason in *wait, if time is up. True
 * says only that there was room, or an error that a connect will tell. */
bool pool__backlog_wait(const char *path, struct pool__wait *wait);

#endif
