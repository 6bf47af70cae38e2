/*
 * The sockets that are watched, and the end of closed connections. See watch.c.
 */
#ifndef POOL_ENGINE_WATCH_H
#define POOL_ENGINE_WATCH_H

#include "conn/kill.h"

#include <stdbool.h>
#include <stdint.h>

struct pool;

/* Makes the descriptors. False: the process may have no more. */
bool pool__watch_init(struct pool *pool);

/* The keeper has something to look at. threads: any. */
void pool__watch_poke(struct pool *pool);

/* Watches an open connection for the server's end. False: it cannot be watched. */
bool pool__watch_open(struct pool *pool, unsigned slot, int fd);

/* The connection is closed here, and `fd` is what is left of it (-1: nothing): when the server has
 * closed its end as well, the slot is empty. From here on the slot is the keeper's. */
void pool__watch_closing(struct pool *pool, unsigned slot, int fd, enum pool__kill kill);

/* Takes the socket of a closed connection out of the record; -1 if it is not there. */
int pool__watch_take_closing(struct pool *pool, unsigned slot);

/* The keeper's. A slot in CLOSING: if it takes too long the server is taken for gone. True: its
 * session has to be killed again, and record->kill_fd is the socket. */
bool pool__watch_wants_kill(struct pool *pool, unsigned slot, uint64_t now);

/* The keeper's. Sleeps for so long at most, or for ever (-1); calls `lost` for each slot whose
 * connection the server has closed. */
void pool__watch_wait(struct pool *pool, int timeout_ms,
                      void (*lost)(struct pool *pool, unsigned slot));

#endif
