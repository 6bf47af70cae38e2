/*
 * What the suites about the life of a pool share: pools, calls on threads of their own, and what
 * the process and the server have of them. The state of each test is an administrator's pool, which
 * reads the server's own process list.
 *
 * Deadlines are asserted exactly on one side only: nothing may come early. How late it
 * came is printed, and bounded so generously that only a hang fails. Include cmocka.h first.
 */
#ifndef TESTS_LIFE_H
#define TESTS_LIFE_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "pools.h"
#include "server.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define PATIENCE_MS 60000
#define LATE_MS 10000 /* later than this is a hang, on any machine */
#define OURS "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'app'"

/* ---- helpers ---- */

struct pool *small_pool(unsigned limit);
void end_cleanly(struct pool *pool);
int64_t number_of(struct pool *pool, const char *sql);
void run_sql(struct pool *pool, const char *sql);
struct pool_conn borrow_from(struct pool *pool);

/* Borrows `count` connections at once, and gives them all back. */
void use_many(struct pool *pool, unsigned count);

/* A call on a thread of its own. */
struct call {
    struct pool *pool;
    struct pool_request request; /* sql NULL: a borrow and a release */
    pthread_t thread;
    struct pool_error err;
    bool ok;
    uint64_t took_ms;
};

void *do_call(void *arg);
void start_calling(struct call *call);
void join_call(struct call *call);

/* ---- the end ---- */

/* Everything that a pool may have: idle, borrowed, running and killed connections, the
 * control connection, a second worker. */
void live_fully(struct pool *pool);

/* ---- signals ---- */

extern struct sigaction sigpipe_before;
extern struct sigaction sigpipe_after;

/* ---- before and after all tests ---- */

int set_up_life(void **state);
int tear_down_life(void **state);

#endif
