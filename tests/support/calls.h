/*
 * Calls with callbacks under test: a callback notes what it was given, and the test's own
 * thread waits for it and asserts. Include fixture.h first.
 */
#ifndef TESTS_CALLS_H
#define TESTS_CALLS_H

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

static inline void note(struct seen *seen, const struct pool_error *err)
{
    seen->ok = !err;
    if (err)
        seen->err = *err;
    seen->thread = pthread_self();
    seen->at_ms = now_ms();
    atomic_fetch_add(&seen->calls, 1);
}

static inline void on_result(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct seen *seen = arg;
    seen->result = result;
    note(seen, err);
}

static inline void on_conn(const struct pool_error *err, struct pool_conn conn, void *arg)
{
    struct seen *seen = arg;
    seen->conn = conn;
    note(seen, err);
}

/* For many: counts, and keeps nothing. */
struct tally {
    _Atomic unsigned ok;
    _Atomic unsigned failed;
    _Atomic unsigned by_code[32];
};

static inline void on_many(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct tally *tally = arg;
    pool_result_free(result);
    atomic_fetch_add(&tally->by_code[err ? err->code : POOL_OK], 1);
    atomic_fetch_add(err ? &tally->failed : &tally->ok, 1);
}

static inline unsigned told(struct tally *tally)
{
    return atomic_load(&tally->ok) + atomic_load(&tally->failed);
}

/* True as a condition: whoever has to dispatch does so. */
static inline bool is_seen(struct seen *seen)
{
    pool_dispatch(f.pool, 0); /* refused unless it is the program's affair */
    return atomic_load(&seen->calls) > 0;
}

static inline void assert_seen(struct seen *seen)
{
    assert_within(GENEROUS, is_seen(seen));
    assert_int_equal(atomic_load(&seen->calls), 1);
}

static inline void assert_seen_ok(struct seen *seen)
{
    assert_seen(seen);
    if (!seen->ok)
        fail_with("a call with a callback", &seen->err);
}

static inline void assert_seen_failed(struct seen *seen, enum pool_code code)
{
    assert_seen(seen);
    assert_false(seen->ok);
    assert_null(seen->result);
    if (seen->err.code != code)
        fail_with("not the failure that was expected", &seen->err);
}

/* These must be accepted. */

static inline void start(const char *sql, struct pool_args args, struct seen *seen)
{
    struct pool_error err;
    memset(seen, 0, sizeof *seen);
    if (!pool_query_async(f.pool, sql, args, on_result, seen, &err))
        fail_with(sql, &err);
}

static inline void start_with(const struct pool_request *request, struct seen *seen)
{
    struct pool_error err;
    memset(seen, 0, sizeof *seen);
    if (!pool_query_async_with(f.pool, request, on_result, seen, &err))
        fail_with(request->sql, &err);
}

static inline void start_within(const char *sql, uint32_t timeout_ms, struct seen *seen)
{
    start_with(&(struct pool_request){.sql = sql, .timeout_ms = timeout_ms}, seen);
}

static inline void start_many(unsigned count, const char *sql, struct tally *tally)
{
    struct pool_error err;
    for (unsigned i = 0; i < count; i++)
        if (!pool_query_async(f.pool, sql, POOL_NO_ARGS, on_many, tally, &err))
            fail_with(sql, &err);
}

static inline struct pool_conn borrow_async(void)
{
    struct seen seen = {.calls = 0};
    struct pool_error err;
    if (!pool_get_connection_async(f.pool, on_conn, &seen, &err))
        fail_with("borrow", &err);
    assert_seen_ok(&seen);
    return seen.conn;
}

/* Runs one of pool_conn_begin_async and its kin, to its end. */
typedef bool command_fn(struct pool_conn conn, pool_query_fn *fn, void *arg,
                        struct pool_error *err);

static inline void run_command(struct pool_conn conn, command_fn *command)
{
    struct seen seen = {.calls = 0};
    struct pool_error err;
    if (!command(conn, on_result, &seen, &err))
        fail_with("command", &err);
    assert_seen_ok(&seen);
    pool_result_free(seen.result);
}

static inline void run_on(struct pool_conn conn, const char *sql, struct seen *seen)
{
    struct pool_error err;
    memset(seen, 0, sizeof *seen);
    if (!pool_conn_query_async(conn, sql, POOL_NO_ARGS, on_result, seen, &err))
        fail_with(sql, &err);
    assert_seen(seen);
}

static inline void must_on(struct pool_conn conn, const char *sql)
{
    struct seen seen;
    run_on(conn, sql, &seen);
    if (!seen.ok)
        fail_with(sql, &seen.err);
    pool_result_free(seen.result);
}

/* The only value of the result, which is freed. */
static inline int64_t value_of(struct seen *seen)
{
    assert_seen_ok(seen);
    assert_true(pool_next(seen->result));
    int64_t value = pool_get_int(seen->result, 0);
    pool_result_free(seen->result);
    return value;
}

#endif
