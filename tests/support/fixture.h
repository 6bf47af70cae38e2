/*
 * A pool under test, an administrator's connection beside it, and neighbours: threads that
 * use the pool for something harmless and only count. Each test makes its pool in `f`;
 * its set-up calls begin_fixture, its tear-down end_fixture, also after a failure.
 *
 * Assertions are made by the test's own thread. Include cmocka.h first.
 */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <mysql.h>
#include <mypool.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "admin.h"
#include "waiting.h"

#define LIMIT 4 /* connections of a pool, and neighbours at most */

/* Threads that ask a question over and over, until told to stop. */
struct neighbours {
    struct pool *pool;
    unsigned count;
    pthread_t ids[LIMIT];
    _Atomic unsigned numbers;
    _Atomic bool stop;
    _Atomic uint64_t served[LIMIT];
    _Atomic uint64_t failed;
    struct pool_error err; /* the first; read after the threads have ended */
};

struct fixture {
    struct pool *pool;
    MYSQL *admin;
    struct neighbours neighbours;
};
extern struct fixture f;

/* Pools */

struct pool_options app_options(void);
void make_pool(struct pool_options options);
void make_pool_of_one(const char *const *init_sql);

/* A user whom nobody else is, and who may be spoilt: `with` are resource limits. */
struct pool_options changing_options(const char *with);

struct pool_stats stats_now(void);
uint64_t closed_by(enum pool_close_reason reason);
void fail_with(const char *what, const struct pool_error *err);

/* Calls */

/* What became of a statement. */
struct outcome {
    bool ok;
    struct pool_error err;
    uint64_t took_ms;
};

struct outcome run_within(const char *sql, uint32_t timeout_ms);
bool works(struct pool_error *ret_err); /* which may be NULL */
void must(const char *sql);
struct pool_conn borrow(void);
bool did(struct pool_conn conn, const char *sql, struct pool_error *err);
int64_t number(struct pool_conn conn, const char *sql);
unsigned long id_of_next(void);

/* Opens `count` connections, and leaves them idle. */
void warm_up(unsigned count);

void assert_refused(const struct pool_error *err, enum pool_code code, unsigned server_errno);

/* A table, dropped in the end */

void make_table(void);
void assert_rows(long count);

/* Neighbours */

void start_neighbours(unsigned count);
void assert_neighbours_go_on(void);
void assert_neighbours_were_fine(void);

/* Before and after each test */

int begin_fixture(void **state);
void end_fixture(void);

#endif
