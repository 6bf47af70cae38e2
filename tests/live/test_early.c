/*
 * What is refused before anybody waits: a wrong number of values, and blocking calls inside a
 * hook, where others wait for the thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

#include "calls.h"
#include "suite.h"

/* The number of values: the test has the only connection */

static struct pool_conn make_and_hold(bool no_prepare)
{
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.no_prepare = no_prepare;
    make_pool(options);
    return borrow();
}

static void assert_told_at_once(struct pool_request request)
{
    struct pool_error err;
    request.acquire_timeout_ms = POOL_NEVER;
    assert_null(pool_query_with(f.pool, &request, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_true(err.not_executed);
    assert_int_equal(stats_now().enqueued, 0);
}

static void assert_waits(struct pool_request request)
{
    struct pool_error err;
    request.acquire_timeout_ms = 1;
    assert_null(pool_query_with(f.pool, &request, &err));
    assert_refused(&err, POOL_ERR_TIMEOUT, 0);
}

static void check_wrong_numbers(bool no_prepare)
{
    struct pool_conn conn = make_and_hold(no_prepare);
    for (int i = 0; i < 2; i++) { /* what is known of a text does not matter */
        assert_told_at_once((struct pool_request){.sql = "SELECT ?, ?", .args = POOL_ARGS(1)});
        assert_told_at_once((struct pool_request){.sql = "SELECT ?"});
        assert_told_at_once((struct pool_request){.sql = "SELECT '?'", .args = POOL_ARGS(1)});
        assert_told_at_once((struct pool_request){.sql = "SELECT :a"});
        assert_told_at_once(
            (struct pool_request){.sql = "SELECT ?", .args = POOL_ARGS(1, 2), .text = true});
        assert_told_at_once((struct pool_request){.sql = "SELECT ?", .text = true});
    }
    pool_conn_release(conn, NULL);
    must("SELECT 1");
}

static void a_wrong_number_of_values_is_told_before_a_connection_is_waited_for(void **state)
{
    (void)state;
    check_wrong_numbers(false);
}

static void so_it_is_without_preparing(void **state)
{
    (void)state;
    check_wrong_numbers(true);
}

static bool take_row(struct pool_result *row, void *arg)
{
    (void)row;
    (void)arg;
    return true;
}

static enum pool_flow take_flow(struct pool_result *row, void *arg)
{
    (void)row;
    (void)arg;
    return POOL_FLOW_CONTINUE;
}

static void streams_are_told_as_well(void **state)
{
    struct pool_request request = {.sql = "SELECT ?"};
    struct pool_error err;
    struct seen seen = {.calls = 0};
    (void)state;
    struct pool_conn conn = make_and_hold(false);
    assert_false(pool_stream(f.pool, "SELECT ?", POOL_NO_ARGS, take_row, NULL, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_false(pool_stream_async_with(f.pool, &request, take_flow, on_result, &seen, NULL, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    pool_conn_release(conn, NULL);
}

/* A right number waits; and so does what the server alone can count. */
static void what_is_not_certainly_wrong_waits(void **state)
{
    (void)state;
    struct pool_conn conn = make_and_hold(false);
    struct pool_value list[] = {pool_int(1), pool_int(2)};
    for (int i = 0; i < 2; i++) {
        assert_waits((struct pool_request){.sql = "SELECT ?, '?' -- ?", .args = POOL_ARGS(1)});
        assert_waits(
            (struct pool_request){.sql = "SELECT 1 IN (?)", .args = POOL_ARGS(pool_list(list, 2))});
        assert_waits(
            (struct pool_request){.sql = "SELECT :a + :a", .args = POOL_ARGS(POOL_NAMED("a", 1))});
        assert_waits((struct pool_request){.sql = "SELECT '\\', ?"});
        assert_waits((struct pool_request){.sql = "SELECT 1 /*!50000 + ? */"});
        assert_waits((struct pool_request){.sql = "SELECT 1 /*M!100100 + ? */"});
        assert_waits((struct pool_request){.sql = "SELECT $$?$$"});
        assert_waits(
            (struct pool_request){.sql = "SELECT 1; SELECT ?", .args = POOL_ARGS(1), .text = true});
    }
    pool_conn_release(conn, NULL);
}

static void what_is_right_with_one_number_is_wrong_with_another(void **state)
{
    struct pool_request request = {.sql = "SELECT ?, ? + 1", .args = POOL_ARGS(1, 2)};
    struct pool_error err;
    (void)state;
    struct pool_conn conn = make_and_hold(false);
    assert_waits(request);
    request.args = POOL_ARGS(1);
    request.acquire_timeout_ms = 1;
    assert_null(pool_query_with(f.pool, &request, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    pool_conn_release(conn, NULL);
}

/* Inside a hook */

static struct {
    struct pool *_Atomic pool;  /* NULL: not yet */
    struct pool *_Atomic other; /* whose calls are allowed */
    struct pool_conn conn;      /* borrowed, for calls on it */
    _Atomic unsigned refused;   /* calls */
    _Atomic unsigned wrong;
    _Atomic unsigned rounds;
    char text[128]; /* of the first that went wrong */
} h;

static void expect_refusal(bool ok, const struct pool_error *err, const char *what)
{
    if (!ok && err->code == POOL_ERR_INVALID && strstr(err->message, "hook"))
        atomic_fetch_add(&h.refused, 1);
    else if (atomic_fetch_add(&h.wrong, 1) == 0)
        snprintf(h.text, sizeof h.text, "%s: %d: %.80s", what, ok, err->message);
}

static bool in_transaction(struct pool_conn conn, void *arg, struct pool_error *err)
{
    (void)conn;
    (void)arg;
    (void)err;
    return true;
}

static void try_pool_calls(struct pool *pool)
{
    struct pool_error err;
    struct pool_conn conn = {0};
    struct pool_value value = pool_int(1);
    expect_refusal(pool_query(pool, "DO 1", POOL_NO_ARGS, &err), &err, "query");
    expect_refusal(pool_stream(pool, "DO 1", POOL_NO_ARGS, take_row, NULL, &err), &err, "stream");
    expect_refusal(pool_batch(pool, "DELETE FROM held WHERE n = ?", &value, 1, 1, &err), &err,
                   "batch");
    expect_refusal(pool_ping(pool, &err), &err, "ping");
    expect_refusal(pool_get_connection(pool, &conn, &err), &err, "get_connection");
    expect_refusal(pool_transaction(pool, in_transaction, NULL, &err), &err, "transaction");
}

static void try_conn_calls(struct pool_conn conn)
{
    struct pool_error err;
    struct pool_batch_request batch = {.sql = "DELETE FROM held WHERE n = ?",
                                       .values = &(struct pool_value){.type = POOL_TYPE_NULL},
                                       .rows = 1,
                                       .columns = 1};
    expect_refusal(pool_conn_query(conn, "DO 1", POOL_NO_ARGS, &err), &err, "conn_query");
    expect_refusal(pool_conn_stream(conn, "DO 1", POOL_NO_ARGS, take_row, NULL, &err), &err,
                   "conn_stream");
    expect_refusal(pool_conn_batch_with(conn, &batch, &err), &err, "conn_batch");
    expect_refusal(pool_conn_begin(conn, &err), &err, "begin");
    expect_refusal(pool_conn_commit(conn, &err), &err, "commit");
    expect_refusal(pool_conn_ping(conn, &err), &err, "conn_ping");
}

static void try_what_blocks(void)
{
    struct pool *pool = atomic_load(&h.pool);
    struct pool_error err;
    if (!pool || atomic_load(&h.rounds) >= 3)
        return;
    try_pool_calls(pool);
    if (h.conn.pool)
        try_conn_calls(h.conn);
    if (pool_dispatch(pool, 0) != -1)
        atomic_fetch_add(&h.wrong, 1);
    struct pool_result *allowed = pool_query(atomic_load(&h.other), "DO 1", POOL_NO_ARGS, &err);
    if (!allowed && atomic_fetch_add(&h.wrong, 1) == 0)
        snprintf(h.text, sizeof h.text, "another pool: %.80s", err.message);
    pool_result_free(allowed);
    atomic_fetch_add(&h.rounds, 1);
}

static void in_nothing(void *arg)
{
    (void)arg;
    try_what_blocks();
}

static void in_time(uint64_t ns, void *arg)
{
    (void)ns;
    (void)arg;
    try_what_blocks();
}

static void in_connection(unsigned long id, void *arg)
{
    (void)id;
    (void)arg;
    try_what_blocks();
}

static void in_close(enum pool_close_reason reason, unsigned long id, void *arg)
{
    (void)reason;
    (void)id;
    (void)arg;
    try_what_blocks();
}

static void in_query(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                     enum pool_code code, void *arg)
{
    (void)label;
    (void)digest;
    (void)elapsed_ns;
    (void)rows;
    (void)code;
    (void)arg;
    try_what_blocks();
}

static void in_leak(const char *label, uint32_t held_ms, void *arg)
{
    (void)label;
    (void)held_ms;
    (void)arg;
    try_what_blocks();
}

/* Each of them happens to a pool that is used a little. */
static void use_a_little(void)
{
    struct seen seen;
    h.conn = borrow();
    atomic_store(&h.pool, f.pool);
    struct pool_conn other = borrow();
    assert_int_equal(number(other, "SELECT 3"), 3);
    pool_conn_destroy(other, NULL);
    for (int i = 0; i < 3; i++)
        must("SELECT 4");
    start("SELECT 5", POOL_NO_ARGS, &seen);
    assert_int_equal(value_of(&seen), 5);
    assert_within(GENEROUS, atomic_load(&h.rounds) >= 1);
    atomic_store(&h.pool, NULL);
    pool_conn_release(h.conn, NULL);
}

static void assert_refused_in(struct pool_hooks hooks)
{
    struct pool_options options = app_options();
    struct pool_error err;
    memset(&h, 0, sizeof h);
    options.connection_limit = 1;
    struct pool *other = pool_create(&options, &err);
    assert_non_null(other);
    atomic_store(&h.other, other);
    options.connection_limit = 2;
    options.leak_after_ms = 20;
    options.hooks = hooks;
    make_pool(options);
    use_a_little();
    pool_end(f.pool, 1000, NULL);
    f.pool = NULL;
    pool_end(other, 1000, NULL);
    if (h.wrong)
        fail_msg("%s", h.text);
    assert_int_equal(h.refused, 12 * h.rounds);
}

static void what_blocks_is_refused_in_the_hooks_of_callers(void **state)
{
    (void)state;
    make_table();
    assert_refused_in((struct pool_hooks){.on_acquire = in_time});
    assert_refused_in((struct pool_hooks){.on_release = in_time});
    assert_refused_in((struct pool_hooks){.on_query = in_query});
}

static void what_blocks_is_refused_in_the_hooks_of_the_pools_own_threads(void **state)
{
    (void)state;
    make_table();
    assert_refused_in((struct pool_hooks){.on_connection = in_connection});
    assert_refused_in((struct pool_hooks){.on_close = in_close});
    assert_refused_in((struct pool_hooks){.on_leak = in_leak});
}

static void what_blocks_is_refused_in_the_hook_of_one_who_waits(void **state)
{
    struct pool_request quick = {.acquire_timeout_ms = 1};
    struct pool_options options = app_options();
    struct pool_conn none;
    struct pool_error err;
    (void)state;
    memset(&h, 0, sizeof h);
    options.connection_limit = 1;
    struct pool *other = pool_create(&options, &err);
    options.hooks.on_enqueue = in_nothing;
    make_table();
    make_pool(options);
    h.conn = borrow();
    atomic_store(&h.other, other);
    atomic_store(&h.pool, f.pool);
    assert_false(pool_get_connection_with(f.pool, &quick, &none, NULL));
    pool_conn_release(h.conn, NULL);
    pool_end(other, 1000, NULL);
    if (h.wrong)
        fail_msg("%s", h.text);
    assert_int_equal(h.refused, 12);
}

/* The quick way to the connection that a thread had last goes round the checks. */
static void borrow_in_query(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                            enum pool_code code, void *arg)
{
    struct pool *pool = atomic_exchange(&h.pool, NULL);
    struct pool_error err;
    struct pool_conn conn;
    (void)label;
    (void)digest;
    (void)elapsed_ns;
    (void)rows;
    (void)code;
    (void)arg;
    if (pool)
        expect_refusal(pool_get_connection(pool, &conn, &err), &err, "get_connection");
}

static void the_last_connection_of_a_thread_is_not_lent_in_its_hook(void **state)
{
    struct pool_options options = app_options();
    (void)state;
    memset(&h, 0, sizeof h);
    options.hooks.on_query = borrow_in_query;
    make_pool(options);
    struct pool_conn conn = borrow();
    must("SELECT 1");
    atomic_store(&h.pool, f.pool);
    assert_int_equal(number(conn, "SELECT 2"), 2);
    pool_conn_release(conn, NULL);
    if (h.wrong)
        fail_msg("%s", h.text);
    assert_int_equal(h.refused, 1);
}

/* A hook inside a hook of another pool is still inside the outer one. */
static struct pool *outer_pool;

static void call_the_inner(uint64_t ns, void *arg)
{
    struct pool_error err;
    (void)ns;
    pool_result_free(pool_query(arg, "DO 1", POOL_NO_ARGS, &err));
}

static void call_the_outer(uint64_t ns, void *arg)
{
    struct pool_error err;
    (void)ns;
    (void)arg;
    if (atomic_exchange(&h.pool, NULL))
        expect_refusal(pool_query(outer_pool, "DO 1", POOL_NO_ARGS, &err), &err, "outer");
}

/* An inner pool whose borrows are observed by the one, an outer one whose returns by the other. */
static void expect_one_refusal_with(void (*on_acquire)(uint64_t ns, void *arg),
                                    void (*on_release)(uint64_t ns, void *arg))
{
    struct pool_options options = app_options();
    struct pool_error err;
    memset(&h, 0, sizeof h);
    options.hooks.on_acquire = on_acquire;
    struct pool *inner = pool_create(&options, &err);
    options.hooks = (struct pool_hooks){.on_release = on_release, .arg = inner};
    make_pool(options);
    outer_pool = f.pool;
    atomic_store(&h.pool, f.pool);
    must("SELECT 1");
    pool_end(inner, 1000, NULL);
    if (h.wrong)
        fail_msg("%s", h.text);
    assert_int_equal(h.refused, 1);
}

static void a_hook_of_another_pool_does_not_hide_the_outer_one(void **state)
{
    (void)state;
    expect_one_refusal_with(call_the_outer, call_the_inner);
}

/* Nor when that is over. */
static void do_nothing(uint64_t ns, void *arg)
{
    (void)ns;
    (void)arg;
}

static void call_the_inner_and_the_outer(uint64_t ns, void *arg)
{
    struct pool_error err;
    if (!atomic_exchange(&h.pool, NULL))
        return;
    call_the_inner(ns, arg);
    expect_refusal(pool_query(outer_pool, "DO 1", POOL_NO_ARGS, &err), &err, "outer");
}

static void a_hook_goes_on_after_that_of_another_pool(void **state)
{
    (void)state;
    expect_one_refusal_with(do_nothing, call_the_inner_and_the_outer);
}

/* A call with a callback waits in its hook, for a lock that the test has. Its thread is not in
 * the hook meanwhile. */
static void wait_for_the_lock(uint64_t ns, void *arg)
{
    struct pool_error err;
    (void)ns;
    (void)arg;
    if (atomic_exchange(&h.pool, NULL)) {
        atomic_store(&h.rounds, 1);
        pool_result_free(pool_query(h.other, "SELECT GET_LOCK('early', 60)", POOL_NO_ARGS, &err));
        atomic_store(&h.rounds, 2);
    }
}

static bool is_in_hook(void)
{
    pool_dispatch(f.pool, 0);
    return atomic_load(&h.rounds) > 0;
}

static void a_hook_that_waits_leaves_its_thread_to_others(void **state)
{
    struct pool_options options = app_options();
    struct pool_error err;
    struct seen seen;
    (void)state;
    memset(&h, 0, sizeof h);
    atomic_store(&h.other, pool_create(&options, &err));
    options.manual_dispatch = true;
    options.hooks.on_release = wait_for_the_lock;
    make_pool(options);
    assert_int_equal(admin_asks(f.admin, "SELECT GET_LOCK('early', 0)"), 1);
    atomic_store(&h.pool, f.pool);
    start("SELECT 1", POOL_NO_ARGS, &seen);
    assert_within(GENEROUS, is_in_hook());
    must("SELECT 2");
    assert_int_equal(h.rounds, 1);
    admin_does(f.admin, "DO RELEASE_LOCK('early')");
    assert_int_equal(value_of(&seen), 1);
    assert_int_equal(h.rounds, 2);
    pool_end(h.other, 1000, NULL);
}

static int end_early(void **state)
{
    (void)state;
    end_fixture();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_fixture, end_early)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_wrong_number_of_values_is_told_before_a_connection_is_waited_for),
        TEST(so_it_is_without_preparing),
        TEST(streams_are_told_as_well),
        TEST(what_is_not_certainly_wrong_waits),
        TEST(what_is_right_with_one_number_is_wrong_with_another),
        TEST(what_blocks_is_refused_in_the_hooks_of_callers),
        TEST(what_blocks_is_refused_in_the_hooks_of_the_pools_own_threads),
        TEST(what_blocks_is_refused_in_the_hook_of_one_who_waits),
        TEST(the_last_connection_of_a_thread_is_not_lent_in_its_hook),
        TEST(a_hook_of_another_pool_does_not_hide_the_outer_one),
        TEST(a_hook_goes_on_after_that_of_another_pool),
        TEST(a_hook_that_waits_leaves_its_thread_to_others),
    };
    return server_suite_main(argc, argv, tests);
}
