/*
 * Callers who wait: threads with one statement each, which queue up in a known order while
 * the test holds the pool's only connection, and go together when it is given back.
 *
 * Whether a statement is quick enough to ride is measured, and no test may depend on how
 * fast the machine is. So whoever holds the connection, and nobody else may, enters a short
 * mean time for whatever has been run on it, except q.slow, and a short way to the server.
 *
 * What went along is seen while the server is frozen: the leader has sent all it takes
 * along, and those who are still in the queue stayed behind.
 *
 * The pool and the administrator are those of the fixture.
 * Assertions are made by the test's own thread. Include cmocka.h first.
 */
#ifndef TESTS_CALLERS_H
#define TESTS_CALLERS_H

#include <mypool.h>
#include <mysql.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn/conn.h"
#include "conn/stmt.h"
#include "engine/pool.h"
#include "fixture.h"
#include "server.h"
#include "sql/hash.h"

#define CALLERS 20 /* at most */
#define QUICK_MEAN_NS 1000

/* One call on a thread of its own. */
struct caller {
    pthread_t id;
    struct pool *pool;
    void (*how)(struct caller *caller);
    struct pool_request request;
    struct pool_value values[8];
    struct pool_result *result;
    struct pool_error err;
    bool ok;
    bool joined;
    uint64_t took_ms;
    _Atomic bool done;
};

struct queue {
    struct pool_conn held;
    bool holding;
    const char *slow; /* the statement that does not count as quick */
    struct caller callers[CALLERS];
    unsigned count;
};
extern struct queue q;

/* The pool */

/* One connection to where a URL of the environment says. */
struct pool_options options_by(const char *name, void **ret_memory);

struct pool_options one_connection(void);
void run(const char *sql, struct pool_args args);

/* Prepared, and run since: it counts as quick. */
void warm(const char *sql, struct pool_args args);

/* Holding the connection */

struct pool__conn *conn_of(struct pool_conn handle);
struct pool__stmt *stmt_of(struct pool_conn handle, const char *sql);
void call_quick(struct pool_conn handle);
void hold(void);
void let_go(void);

/* Callers */

void call_query(struct caller *caller);

/* The next in the queue. The text of values has to stay. */
struct caller *queue_up_with(struct pool_request request, void (*how)(struct caller *caller));

struct caller *queue_up(const char *sql, struct pool_args args);
bool all_done(void);
void join(struct caller *caller);

/* Waits for everybody; their results stay. */
void join_callers(void);

void forget_callers(void);
void assert_all_ok(void);

/* The first value of the only row. */
int64_t answer_of(struct caller *caller);

/* Before and after each test */

int set_up_queue(void **state);
void end_pool(void);
int tear_down_queue(void **state);

#endif
