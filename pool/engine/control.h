/*
 * The control connection, from which statements and sessions are killed. See control.c.
 */
#ifndef POOL_ENGINE_CONTROL_H
#define POOL_ENGINE_CONTROL_H

#include "conn/kill.h"
#include "mypool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pool__conn;

struct pool__control {
    pthread_mutex_t lock;
    struct pool__conn *conn;
    uint64_t used_ns;
    _Atomic bool open; /* for the keeper, which does not take the lock to look */
};

/* Kills what runs in these sessions, without waiting for them to end; how many the server
 * was told of. The caller keeps their sockets open. */
unsigned pool__control_kill_all(struct pool *pool, const unsigned long *thread_ids, unsigned count,
                                uint64_t deadline_ns);
/* Kills the session again and again, until the server does not know it any more; unless the pool
 * ends, or it takes too long. */
enum pool__kill pool__control_kill_until_gone(struct pool *pool, unsigned long thread_id);
/* The session whose statement is to be stopped; 0: it need not be any more. */
typedef unsigned long pool__control_target_fn(void *arg);
/* Stops the statement of a session, which stays. Which session it is, `target` is asked last. False
 * if the server may yet stop the statement, because it did not answer. */
bool pool__control_stop_statement(struct pool *pool, pool__control_target_fn *target, void *arg);
void pool__control_wait_until_gone(struct pool *pool, unsigned long thread_id);
void pool__control_close(struct pool *pool); /* when the workers have stopped */

#endif
