/*
 * Everything at once: statements, connections and transactions with callbacks, from several
 * threads, with random deadlines, cancels, destroyed connections, sessions that an
 * administrator kills, and a pool that ends in the middle. What is counted: a call that was
 * accepted is told exactly once, one that was refused never.
 *
 * MYPOOL_ASYNC_REQUESTS: how many calls. Needs a server: MYPOOL_URL.
 */
#include <mysql.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

#include "calls.h"
#include "suite.h"

#define CALLERS 3u
#define IN_FLIGHT (SANITIZED ? 300u : 3000u)
#define REQUESTS (SANITIZED ? 10000u : 100000u)

struct request {
    _Atomic unsigned told;
    bool accepted; /* the caller's */
    struct pool_conn conn;
};

static struct stress {
    struct pool *pool;
    struct request *requests;
    unsigned count;
    bool manual;
    _Atomic unsigned next;
    _Atomic unsigned accepted, finished;
    _Atomic unsigned by_code[32];
    _Atomic unsigned kills;
    _Atomic bool stop;
} s;

static void tell(struct request *request, const struct pool_error *err)
{
    atomic_fetch_add(&request->told, 1);
    atomic_fetch_add(&s.by_code[err ? err->code : POOL_OK], 1);
    atomic_fetch_add(&s.finished, 1);
}

/* ---- callbacks ---- */

static void on_rows(const struct pool_error *err, struct pool_result *result, void *arg)
{
    tell(arg, err);
    pool_result_free(result);
}

static void on_last(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct request *request = arg;
    pool_result_free(result);
    pool_conn_release(request->conn, NULL);
    tell(request, err);
}

/* Goes on with the connection, gives it back, or destroys it. */
static void on_borrowed(const struct pool_error *err, struct pool_conn conn, void *arg)
{
    struct request *request = arg;
    unsigned number = (unsigned)(request - s.requests);
    request->conn = conn;
    if (!err && number % 3 == 0 &&
        pool_conn_query_async(conn, "SELECT 3", POOL_NO_ARGS, on_last, request, NULL))
        return;
    if (!err && number % 7 == 1)
        pool_conn_destroy(conn, NULL);
    else if (!err)
        pool_conn_release(conn, NULL);
    tell(request, err);
}

static bool in_transaction(struct pool_conn conn, void *arg, struct pool_error *err)
{
    (void)arg;
    struct pool_result *result = pool_conn_query(conn, "SELECT 4", POOL_NO_ARGS, err);
    pool_result_free(result);
    return result != NULL;
}

/* ---- callers ---- */

static bool start_one(struct request *request, unsigned random, struct pool_call *ret_call)
{
    struct pool_request wish = {.sql = random % 16 == 0 ? "SELECT SLEEP(0.002)" : "SELECT 1 + 1"};
    if (random % 5 == 0)
        wish.timeout_ms = 1 + random / 16 % 40;
    if (random % 11 == 3)
        return pool_get_connection_async_with(s.pool, &wish, on_borrowed, request, ret_call, NULL);
    if (random % 31 == 5)
        return pool_transaction_async(s.pool, in_transaction, on_rows, request, NULL);
    return pool_query_async_with(s.pool, &wish, on_rows, request, ret_call, NULL);
}

static bool has_room(void)
{
    return atomic_load(&s.accepted) - atomic_load(&s.finished) < IN_FLIGHT;
}

static void *be_caller(void *arg)
{
    unsigned *seed = arg, number;
    while ((number = atomic_fetch_add(&s.next, 1)) < s.count) {
        struct request *request = &s.requests[number];
        struct pool_call call = {NULL, 0};
        unsigned random = (unsigned)rand_r(seed);
        while (!has_room() && !atomic_load(&s.stop))
            pause_ms(1);
        atomic_fetch_add(&s.accepted, 1);
        request->accepted = start_one(request, random, random % 4 == 0 ? &call : NULL);
        if (!request->accepted)
            atomic_fetch_sub(&s.accepted, 1);
        if (call.pool && random % 8 == 0)
            pool_cancel(call, NULL);
    }
    return NULL;
}

/* Kills sessions of the pool, one after the other. */
static void *be_killer(void *arg)
{
    MYSQL *admin = arg;
    char id[32], sql[64];
    while (!atomic_load(&s.stop)) {
        pause_ms(20);
        if (!ask(admin,
                 "SELECT id FROM information_schema.processlist WHERE user = 'app' "
                 "ORDER BY RAND() LIMIT 1",
                 id, sizeof id) ||
            !id[0])
            continue;
        snprintf(sql, sizeof sql, "KILL %s", id);
        atomic_fetch_add(&s.kills, ask(admin, sql, NULL, 0));
    }
    return NULL;
}

static void *be_dispatcher(void *arg)
{
    (void)arg;
    while (pool_dispatch(s.pool, 100) >= 0)
        ;
    return NULL;
}

/* ---- the test ---- */

static unsigned wanted_requests(void)
{
    const char *text = getenv("MYPOOL_ASYNC_REQUESTS");
    return text ? (unsigned)strtoul(text, NULL, 10) : REQUESTS;
}

static void begin_stress(bool manual, unsigned count)
{
    struct pool_options options = app_options();
    options.connection_limit = 8;
    options.manual_dispatch = manual;
    make_pool(options);
    warm_up(LIMIT);
    memset(&s, 0, sizeof s);
    s.pool = f.pool;
    s.count = count;
    s.manual = manual;
    s.requests = calloc(count, sizeof *s.requests);
    assert_non_null(s.requests);
}

static void assert_each_is_told_once(void)
{
    unsigned accepted = 0, wrong = 0;
    for (unsigned i = 0; i < s.count; i++) {
        accepted += s.requests[i].accepted;
        wrong += atomic_load(&s.requests[i].told) != (s.requests[i].accepted ? 1 : 0);
    }
    print_message("%u accepted of %u, %u sessions killed:", accepted, s.count,
                  atomic_load(&s.kills));
    for (unsigned code = 0; code < 32; code++)
        if (atomic_load(&s.by_code[code]))
            print_message(" %s %u", pool_code_name((enum pool_code)code),
                          atomic_load(&s.by_code[code]));
    print_message("\n");
    assert_int_equal(wrong, 0);
    assert_int_equal(atomic_load(&s.finished), accepted);
    free(s.requests);
}

/* The pool ends when so many calls have been told. */
static void run_stress(bool manual, unsigned count, unsigned until)
{
    pthread_t callers[CALLERS], killer, dispatcher;
    unsigned seeds[CALLERS] = {1, 2, 3};
    begin_stress(manual, count);
    assert_int_equal(pthread_create(&killer, NULL, be_killer, f.admin), 0);
    for (unsigned i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, be_caller, &seeds[i]), 0);
    if (manual)
        assert_int_equal(pthread_create(&dispatcher, NULL, be_dispatcher, NULL), 0);
    bool reached = WITHIN(10 * GENEROUS + count, atomic_load(&s.finished) >= until);
    f.pool = NULL;
    pool_end(s.pool, 200, NULL);
    atomic_store(&s.stop, true);
    for (unsigned i = 0; i < CALLERS; i++)
        pthread_join(callers[i], NULL);
    if (manual)
        pthread_join(dispatcher, NULL);
    pthread_join(killer, NULL);
    assert_true(reached);
    assert_each_is_told_once();
}

static void accepted_calls_are_told_exactly_once(void **state)
{
    (void)state;
    unsigned count = wanted_requests();
    run_stress(false, count, count / 10 * 9);
    assert_true(atomic_load(&s.by_code[POOL_OK]) > 0);
}

static void accepted_calls_are_told_exactly_once_by_a_loop_of_the_program(void **state)
{
    (void)state;
    unsigned count = wanted_requests() / 4;
    run_stress(true, count, count / 10 * 9);
    assert_true(atomic_load(&s.by_code[POOL_OK]) > 0);
}

static void they_are_also_when_the_pool_ends_in_the_middle(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++)
        run_stress(i % 2, 20000, 500 + i * 500);
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
        TEST(accepted_calls_are_told_exactly_once),
        TEST(accepted_calls_are_told_exactly_once_by_a_loop_of_the_program),
        TEST(they_are_also_when_the_pool_ends_in_the_middle),
    };
    return server_suite_main(argc, argv, tests);
}
