/*
 * Calls with callbacks under test: a callback notes what it was given, and the test's own
 * thread waits for it and asserts. Include cmocka.h first.
 */
#ifndef TESTS_CALLS_H
#define TESTS_CALLS_H

#include "fixture.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* What became of one call. All but `calls` is written before that is. */
struct seen {
    _Atomic unsigned calls; /* of the callback */
    bool ok;
    struct pool_error err;
    struct pool_result *result; /* the test's to free */
    struct pool_conn conn;
    pthread_t thread;
    uint64_t at_ms;
};

void note(struct seen *seen, const struct pool_error *err);
void on_result(const struct pool_error *err, struct pool_result *result, void *arg);
void on_conn(const struct pool_error *err, struct pool_conn conn, void *arg);

/* For many: counts, and keeps nothing. */
struct tally {
    _Atomic unsigned ok;
    _Atomic unsigned failed;
    _Atomic unsigned by_code[32];
};

void on_many(const struct pool_error *err, struct pool_result *result, void *arg);
unsigned told(struct tally *tally);

/* True as a condition: whoever has to dispatch does so. */
bool is_seen(struct seen *seen);

void assert_seen(struct seen *seen);
void assert_seen_ok(struct seen *seen);
void assert_seen_failed(struct seen *seen, enum pool_code code);

/* These must be accepted. */

void start(const char *sql, struct pool_args args, struct seen *seen);
void start_with(const struct pool_request *request, struct seen *seen);
void start_within(const char *sql, uint32_t timeout_ms, struct seen *seen);
void start_many(unsigned count, const char *sql, struct tally *tally);
struct pool_conn borrow_async(void);

/* Runs one of pool_conn_begin_async and its kin, to its end. */
typedef bool command_fn(struct pool_conn conn, pool_query_fn *fn, void *arg,
                        struct pool_error *err);

void run_command(struct pool_conn conn, command_fn *command);
void must_on(struct pool_conn conn, const char *sql);

/* The only value of the result, which is freed. */
int64_t value_of(struct seen *seen);

#endif
