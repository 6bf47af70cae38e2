/*
 * The calls with callbacks, one at a time: what is refused and what is accepted, what is
 * copied, whose the result is, calls on a borrowed connection, and what a callback may do.
 *
 * Needs a server: MYPOOL_URL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

#include "calls.h"
#include "suite.h"

#include <sys/wait.h>
#include <unistd.h>

#define CHAIN (SANITIZED ? 10000u : 100000u)

/* ---- refused ---- */

static void refused_query(struct pool *pool, const struct pool_request *request, pool_query_fn *fn,
                          enum pool_code code)
{
    struct seen seen = {.calls = 0};
    struct pool_error err;
    assert_false(pool_query_async_with(pool, request, fn, &seen, NULL, &err));
    assert_refused(&err, code, 0);
    assert_int_equal(atomic_load(&seen.calls), 0);
}

static void wrong_values_are_refused(void **state)
{
    (void)state;
    struct pool_value inner = pool_list(&(struct pool_value){.type = POOL_TYPE_NULL}, 1);
    struct pool_request good = {.sql = "SELECT 1"};
    struct pool_request no_sql = {.sql = NULL};
    struct pool_request newer = {.sql = "SELECT 1", .reserved = {0, 1}};
    struct pool_request no_values = {.sql = "SELECT ?", .args = {NULL, 1}};
    struct pool_request too_few = {.sql = "SELECT ?, ?", .args = POOL_ARGS(1)};
    struct pool_request nested = {.sql = "SELECT 1 IN (?)",
                                  .args = POOL_ARGS(pool_list(&inner, 1))};
    make_pool(app_options());
    refused_query(NULL, &good, on_result, POOL_ERR_INVALID);
    refused_query(f.pool, NULL, on_result, POOL_ERR_INVALID);
    refused_query(f.pool, &good, NULL, POOL_ERR_INVALID);
    refused_query(f.pool, &no_sql, on_result, POOL_ERR_INVALID);
    refused_query(f.pool, &newer, on_result, POOL_ERR_INVALID);
    refused_query(f.pool, &no_values, on_result, POOL_ERR_INVALID);
    refused_query(f.pool, &nested, on_result, POOL_ERR_INVALID);
    refused_query(f.pool, &too_few, on_result, POOL_ERR_INVALID);
    assert_false(pool_get_connection_async(f.pool, NULL, NULL, NULL));
    assert_false(pool_get_connection_async_with(f.pool, NULL, on_conn, NULL, NULL, NULL));
    assert_int_equal(stats_now().queries, 0);
}

static void what_is_wrong_with_a_value_is_told_as_without_callbacks(void **state)
{
    (void)state;
    struct pool_value wrong = pool_decimal("x");
    struct pool_args args = {&wrong, 1};
    struct pool_error err, same;
    make_pool(app_options());
    assert_null(pool_query(f.pool, "SELECT ?", args, &err));
    assert_false(pool_query_async(f.pool, "SELECT ?", args, on_result, NULL, &same));
    assert_refused(&same, POOL_ERR_INVALID, 0);
    assert_true(err.not_executed && same.not_executed);
    assert_string_equal(err.message, same.message);
}

static void a_refused_call_has_no_callback(void **state)
{
    (void)state;
    static struct seen refused, accepted;
    make_pool(app_options());
    memset(&refused, 0, sizeof refused);
    assert_false(pool_query_async(f.pool, NULL, POOL_NO_ARGS, on_result, &refused, NULL));
    start("SELECT 1", POOL_NO_ARGS, &accepted);
    assert_int_equal(value_of(&accepted), 1);
    assert_true(pool_end(f.pool, GENEROUS, NULL));
    f.pool = NULL;
    assert_int_equal(atomic_load(&refused.calls), 0);
}

static void a_closed_pool_refuses(void **state)
{
    (void)state;
    struct seen seen = {.calls = 0};
    struct pool_error err;
    make_pool(app_options());
    struct pool *closed = f.pool;
    f.pool = NULL;
    assert_true(pool_end(closed, GENEROUS, NULL));
    assert_false(pool_query_async(closed, "SELECT 1", POOL_NO_ARGS, on_result, &seen, &err));
    assert_refused(&err, POOL_ERR_CLOSED, 0);
    assert_false(pool_get_connection_async(closed, on_conn, &seen, &err));
    assert_refused(&err, POOL_ERR_CLOSED, 0);
    assert_int_equal(pool_dispatch(closed, 0), -1);
    assert_int_equal(pool_fd(closed), -1);
    assert_int_equal(atomic_load(&seen.calls), 0);
}

static void refused_on(struct pool_conn conn, enum pool_code code)
{
    struct seen seen = {.calls = 0};
    struct pool_error err;
    static command_fn *const commands[] = {pool_conn_begin_async, pool_conn_commit_async,
                                           pool_conn_rollback_async, pool_conn_ping_async};
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
        assert_false(commands[i](conn, on_result, &seen, &err));
        assert_refused(&err, code, 0);
    }
    assert_false(pool_conn_query_async(conn, "SELECT 1", POOL_NO_ARGS, on_result, &seen, &err));
    assert_refused(&err, code, 0);
    assert_int_equal(atomic_load(&seen.calls), 0);
}

static void a_stale_handle_is_refused(void **state)
{
    (void)state;
    make_pool(app_options());
    struct pool_conn conn = borrow_async();
    assert_true(pool_conn_release(conn, NULL));
    refused_on(conn, POOL_ERR_STALE);
    refused_on((struct pool_conn){0}, POOL_ERR_STALE);
}

/* ---- accepted ---- */

static void a_query_has_its_rows(void **state)
{
    (void)state;
    struct seen seen;
    make_pool(app_options());
    start("SELECT ? + 1", POOL_ARGS(41), &seen);
    assert_int_equal(value_of(&seen), 42);
    assert_false(pthread_equal(seen.thread, pthread_self()));
}

static void an_error_of_the_server_is_told(void **state)
{
    (void)state;
    struct seen seen;
    make_pool(app_options());
    start("SELECT nothing FROM nowhere", POOL_NO_ARGS, &seen);
    assert_seen_failed(&seen, POOL_ERR_SERVER);
    assert_int_equal(seen.err.server_errno, 1146);
}

static _Atomic bool label_is_right;

static void look_at_label(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                          enum pool_code code, void *arg)
{
    (void)digest, (void)elapsed_ns, (void)rows, (void)code, (void)arg;
    atomic_store(&label_is_right, label && strcmp(label, "the call") == 0);
}

/* Everything it passes in is on its stack, and spoilt when it returns. */
static void start_and_spoil(struct seen *seen)
{
    char sql[] = "SELECT CONCAT(:text, HEX(:bytes), 7 IN (:list))XXX", label[] = "the call";
    char text[] = "abc", bytes[] = "\0\1", names[3][8] = {"text", "bytes", "list"};
    struct pool_value list[] = {pool_int(6), pool_int(7), pool_int(8)};
    struct pool_value values[] = {pool_named(names[0], pool_text_n(text, 2)),
                                  pool_named(names[1], pool_bytes(bytes, 2)),
                                  pool_named(names[2], pool_list(list, 3))};
    struct pool_request request = {
        .sql = sql, .sql_len = strlen(sql) - 3, .args = {values, 3}, .label = label};
    assert_true(pool_query_async_with(f.pool, &request, on_result, seen, NULL, NULL));
    char *spoilt[] = {sql, label, text, names[0], names[1], names[2]};
    for (unsigned i = 0; i < sizeof spoilt / sizeof *spoilt; i++)
        memset(spoilt[i], '!', strlen(spoilt[i]));
    memset(bytes, '!', sizeof bytes);
    memset(list, 0xff, sizeof list);
    memset(values, 0xff, sizeof values);
    memset(&request, 0xff, sizeof request);
}

/* With manual_dispatch nothing has looked at what was passed in when the call returns. */
static void everything_that_was_passed_in_is_copied(void **state)
{
    (void)state;
    struct pool_options options = app_options();
    struct seen seen = {.calls = 0};
    options.manual_dispatch = true;
    options.hooks.on_query = look_at_label;
    make_pool(options);
    start_and_spoil(&seen);
    assert_seen_ok(&seen);
    assert_true(pool_next(seen.result));
    assert_string_equal(pool_get_text(seen.result, 0), "ab00011");
    assert_true(atomic_load(&label_is_right));
    pool_result_free(seen.result);
}

static void a_result_outlives_the_pool(void **state)
{
    (void)state;
    struct seen seen;
    int64_t sum = 0;
    make_pool(app_options());
    start("SELECT seq FROM seq_1_to_1000", POOL_NO_ARGS, &seen);
    assert_seen_ok(&seen);
    assert_true(pool_end(f.pool, GENEROUS, NULL));
    f.pool = NULL;
    while (pool_next(seen.result))
        sum += pool_get_int(seen.result, 0);
    pool_result_free(seen.result);
    assert_int_equal(sum, 500500);
}

#define BIG (4u << 20)

static void assert_big(struct seen *seen, const char *text)
{
    size_t len;
    assert_seen_ok(seen);
    assert_true(pool_next(seen->result));
    const void *back = pool_get_bytes(seen->result, 0, &len);
    assert_int_equal(len, BIG);
    assert_memory_equal(back, text, BIG);
    pool_result_free(seen->result);
}

/* Both directions are far bigger than any socket buffer. */
static void big_statements_and_results_pass_each_other(void **state)
{
    (void)state;
    static struct seen seen[8];
    char *text = malloc(BIG);
    assert_non_null(text);
    make_pool(app_options());
    for (unsigned i = 0; i < BIG; i++)
        text[i] = (char)('a' + i % 23);
    for (unsigned i = 0; i < 8; i++)
        start("SELECT ?", POOL_ARGS(pool_bytes(text, BIG)), &seen[i]);
    for (unsigned i = 0; i < 8; i++)
        assert_big(&seen[i], text);
    free(text);
}

static void use_url_of(const char *variable)
{
    struct pool_error err;
    struct seen seen;
    assert_non_null(getenv(variable));
    f.pool = pool_create_url(getenv(variable), &err);
    if (!f.pool)
        fail_with(variable, &err);
    for (int i = 0; i < 20; i++) {
        start("SELECT LENGTH(REPEAT('x', ?))", POOL_ARGS(i * 100000), &seen);
        assert_int_equal(value_of(&seen), i * 100000);
    }
    start("SELECT REPEAT('x', 2000000)", POOL_NO_ARGS, &seen);
    assert_seen_ok(&seen);
    assert_true(pool_next(seen.result));
    assert_int_equal(strlen(pool_get_text(seen.result, 0)), 2000000);
    pool_result_free(seen.result);
}

static void queries_work_over_tls(void **state)
{
    (void)state;
    use_url_of("MYPOOL_TLS_URL");
}

static void queries_work_over_a_unix_socket(void **state)
{
    (void)state;
    use_url_of("MYPOOL_SOCKET_URL");
}

/* ---- on a borrowed connection ---- */

static void a_transaction_is_committed(void **state)
{
    (void)state;
    make_table();
    make_pool(app_options());
    struct pool_conn conn = borrow_async();
    run_command(conn, pool_conn_begin_async);
    must_on(conn, "INSERT INTO held VALUES (1)");
    assert_rows(0);
    run_command(conn, pool_conn_commit_async);
    assert_rows(1);
    assert_true(pool_conn_release(conn, NULL));
}

static void a_transaction_is_rolled_back(void **state)
{
    (void)state;
    struct pool_error err;
    make_table();
    make_pool(app_options());
    struct pool_conn conn = borrow_async();
    run_command(conn, pool_conn_begin_async);
    must_on(conn, "INSERT INTO held VALUES (1)");
    assert_false(pool_conn_begin_async(conn, on_result, NULL, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    run_command(conn, pool_conn_rollback_async);
    run_command(conn, pool_conn_ping_async);
    assert_rows(0);
    assert_true(pool_conn_release(conn, NULL));
}

static void a_second_call_on_a_busy_handle_is_refused(void **state)
{
    (void)state;
    struct seen first = {.calls = 0};
    make_table();
    make_pool(app_options());
    struct pool_conn conn = borrow_async();
    admin_does(f.admin, "LOCK TABLES mypool.held WRITE");
    assert_true(pool_conn_query_async(conn, "SELECT COUNT(*) FROM held", POOL_NO_ARGS, on_result,
                                      &first, NULL));
    refused_on(conn, POOL_ERR_INVALID);
    assert_false(pool_conn_release(conn, NULL));
    assert_int_equal(atomic_load(&first.calls), 0);
    admin_does(f.admin, "UNLOCK TABLES");
    assert_int_equal(value_of(&first), 0);
    must_on(conn, "SELECT 1");
    assert_true(pool_conn_release(conn, NULL));
}

static void release_in_callback(const struct pool_error *err, struct pool_conn conn, void *arg)
{
    struct seen *seen = arg;
    note(seen, pool_conn_release(conn, NULL) ? err : &(struct pool_error){.code = POOL_ERR_STALE});
}

static void destroy_in_callback(const struct pool_error *err, struct pool_conn conn, void *arg)
{
    struct seen *seen = arg;
    note(seen, pool_conn_destroy(conn, NULL) ? err : &(struct pool_error){.code = POOL_ERR_STALE});
}

static void a_callback_may_release_and_destroy(void **state)
{
    (void)state;
    struct seen released = {.calls = 0}, destroyed = {.calls = 0};
    make_pool_of_one(NULL);
    assert_true(pool_get_connection_async(f.pool, release_in_callback, &released, NULL));
    assert_true(pool_get_connection_async(f.pool, destroy_in_callback, &destroyed, NULL));
    assert_seen_ok(&released);
    assert_seen_ok(&destroyed);
    assert_within(GENEROUS, closed_by(POOL_CLOSE_DESTROYED) == 1);
    must("SELECT 1");
    assert_int_equal(stats_now().in_use, 0);
}

static void start_on_own_conn(const struct pool_error *err, struct pool_conn conn, void *arg)
{
    struct seen *seen = arg;
    seen->conn = conn;
    if (err || !pool_conn_query_async(conn, "SELECT 5", POOL_NO_ARGS, on_result, seen, NULL))
        note(seen, err);
}

static void a_callback_may_go_on_with_its_connection(void **state)
{
    (void)state;
    struct seen seen = {.calls = 0};
    make_pool(app_options());
    assert_true(pool_get_connection_async(f.pool, start_on_own_conn, &seen, NULL));
    assert_int_equal(value_of(&seen), 5);
    assert_true(pool_conn_release(seen.conn, NULL));
}

/* ---- what a callback may do ---- */

struct chain {
    unsigned left;
    bool inside; /* a callback */
    bool nested;
    uintptr_t lowest, highest; /* addresses on the stack */
    struct seen seen;
};

static void link_of_chain(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct chain *chain = arg;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    pool_result_free(result);
    chain->nested = chain->nested || chain->inside;
    chain->lowest = here < chain->lowest ? here : chain->lowest;
    chain->highest = here > chain->highest ? here : chain->highest;
    chain->inside = true;
    bool more = !err && --chain->left > 0 &&
                pool_query_async(f.pool, "SELECT 1", POOL_NO_ARGS, link_of_chain, chain, NULL);
    chain->inside = false;
    if (!more)
        note(&chain->seen, err);
}

static void a_long_chain_of_callbacks_is_no_recursion(void **state)
{
    (void)state;
    static struct chain chain;
    chain = (struct chain){.left = CHAIN, .lowest = UINTPTR_MAX};
    make_pool(app_options());
    assert_true(pool_query_async(f.pool, "SELECT 1", POOL_NO_ARGS, link_of_chain, &chain, NULL));
    assert_true(WITHIN(8 * GENEROUS, is_seen(&chain.seen)));
    assert_true(chain.seen.ok);
    assert_int_equal(chain.left, 0);
    assert_false(chain.nested);
    assert_true(chain.highest - chain.lowest < 16 * 1024);
}

struct refusals {
    enum pool_code query, get, ping, stream, transaction, conn, end;
    int dispatched;
    struct pool_conn mine; /* borrowed before */
    struct seen seen;
};

static bool never_row(struct pool_result *row, void *arg)
{
    (void)row, (void)arg;
    return false;
}

static bool never_in_transaction(struct pool_conn conn, void *arg, struct pool_error *err)
{
    (void)conn, (void)arg, (void)err;
    return false;
}

static void try_what_blocks(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct refusals *refusals = arg;
    struct pool_error why;
    struct pool_conn conn;
    pool_result_free(result);
    pool_result_free(pool_query(f.pool, "SELECT 1", POOL_NO_ARGS, &why));
    refusals->query = why.code;
    pool_get_connection(f.pool, &conn, &why);
    refusals->get = why.code;
    pool_ping(f.pool, &why);
    refusals->ping = why.code;
    pool_stream(f.pool, "SELECT 1", POOL_NO_ARGS, never_row, NULL, &why);
    refusals->stream = why.code;
    pool_transaction(f.pool, never_in_transaction, NULL, &why);
    refusals->transaction = why.code;
    pool_result_free(pool_conn_query(refusals->mine, "SELECT 1", POOL_NO_ARGS, &why));
    refusals->conn = why.code;
    pool_end(f.pool, 0, &why);
    refusals->end = why.code;
    refusals->dispatched = pool_dispatch(f.pool, 0);
    note(&refusals->seen, err);
}

static void check_refusals(bool manual)
{
    static struct refusals refusals;
    struct pool_options options = app_options();
    memset(&refusals, 0, sizeof refusals);
    options.manual_dispatch = manual;
    make_pool(options);
    warm_up(LIMIT);
    refusals.mine = borrow();
    assert_true(
        pool_query_async(f.pool, "SELECT 1", POOL_NO_ARGS, try_what_blocks, &refusals, NULL));
    assert_seen_ok(&refusals.seen);
    assert_int_equal(refusals.query, POOL_ERR_INVALID);
    assert_int_equal(refusals.get, POOL_ERR_INVALID);
    assert_int_equal(refusals.ping, POOL_ERR_INVALID);
    assert_int_equal(refusals.stream, POOL_ERR_INVALID);
    assert_int_equal(refusals.transaction, POOL_ERR_INVALID);
    assert_int_equal(refusals.conn, POOL_ERR_INVALID);
    assert_int_equal(refusals.end, POOL_ERR_INVALID);
    assert_int_equal(refusals.dispatched, -1);
    assert_true(pool_conn_release(refusals.mine, NULL));
    must("SELECT 1");
}

static void what_blocks_is_refused_in_a_callback(void **state)
{
    (void)state;
    check_refusals(false);
}

static void what_blocks_is_refused_in_a_dispatched_callback(void **state)
{
    (void)state;
    check_refusals(true);
}

/* ---- a forked child ---- */

static int be_child(void)
{
    struct seen seen = {.calls = 0};
    struct pool_error err;
    bool refused = !pool_query_async(f.pool, "SELECT 1", POOL_NO_ARGS, on_result, &seen, &err) &&
                   err.code == POOL_ERR_STALE && pool_fd(f.pool) == -1 &&
                   pool_dispatch(f.pool, 0) == -1 && !pool_end(f.pool, 0, &err) &&
                   err.code == POOL_ERR_STALE;
    return refused ? 0 : 1;
}

static void a_forked_child_is_refused_and_the_parent_goes_on(void **state)
{
    (void)state;
    struct seen seen;
    int status = -1;
    make_pool(app_options());
    start("SELECT SLEEP(0.2) + 3", POOL_NO_ARGS, &seen);
    pid_t child = fork();
    if (child == 0)
        _exit(be_child());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(value_of(&seen), 3);
    start("SELECT 4", POOL_NO_ARGS, &seen);
    assert_int_equal(value_of(&seen), 4);
}

static int clean_up(void **state)
{
    (void)state;
    end_fixture();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_fixture, clean_up)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(wrong_values_are_refused),
        TEST(what_is_wrong_with_a_value_is_told_as_without_callbacks),
        TEST(a_refused_call_has_no_callback),
        TEST(a_closed_pool_refuses),
        TEST(a_stale_handle_is_refused),
        TEST(a_query_has_its_rows),
        TEST(an_error_of_the_server_is_told),
        TEST(everything_that_was_passed_in_is_copied),
        TEST(a_result_outlives_the_pool),
        TEST(big_statements_and_results_pass_each_other),
        TEST(queries_work_over_tls),
        TEST(queries_work_over_a_unix_socket),
        TEST(a_transaction_is_committed),
        TEST(a_transaction_is_rolled_back),
        TEST(a_second_call_on_a_busy_handle_is_refused),
        TEST(a_callback_may_release_and_destroy),
        TEST(a_callback_may_go_on_with_its_connection),
        TEST(a_long_chain_of_callbacks_is_no_recursion),
        TEST(what_blocks_is_refused_in_a_callback),
        TEST(what_blocks_is_refused_in_a_dispatched_callback),
        TEST(a_forked_child_is_refused_and_the_parent_goes_on),
    };
    return server_suite_main(argc, argv, tests);
}
