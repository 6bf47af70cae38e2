/*
 * Anything, from anywhere: threads and callbacks make random legal and illegal calls on one
 * pool, which ends in the middle of it. Handles are shared between threads that do not agree
 * who has them, so most uses of one are refused; some come in time. The hooks are set, and
 * make calls themselves.
 *
 * What comes out of each call is chance. The laws are not:
 *
 *   - a result holds the value that was asked for, and nobody else's;
 *   - a call that was accepted is told exactly once, and before pool_end returns; one that was
 *     refused never;
 *   - every connection, acquire and hand-out has its counterpart, in the hooks and in the
 *     statistics;
 *   - the pool ends in time, and a child process gets errors and no more.
 *
 * MYPOOL_API_SEEDS: how many rounds a mode has; each is one seed, and one pool. Needs a
 * server: MYPOOL_URL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#include "calls.h"
#include "suite.h"

#define THREADS 16u
#define CALLS (SANITIZED ? 60u : 150u) /* of each thread, in one round */
#define ROUNDS (SANITIZED ? 3u : 6u)
#define TICKETS 65536u
#define SHARED 4u
#define DRAIN_MS 100u

/* A call with a callback. */
struct ticket {
    _Atomic unsigned told;
    bool accepted; /* the caller's, until all have ended */
    int64_t value; /* that its result has to hold; -1: any */
    unsigned seed; /* of what its callbacks do */
};

static struct round {
    struct pool *pool;
    bool manual;
    struct ticket *tickets;
    _Atomic unsigned next_ticket;
    _Atomic unsigned calls;  /* begun */
    _Atomic unsigned wrong;  /* laws that were broken, */
    const char *_Atomic law; /* and the first of them */
    _Atomic bool ended;
    _Atomic bool stop; /* those who dispatch */
    /* What threads share; under the lock. */
    pthread_mutex_t lock;
    struct pool_conn conns[SHARED];
    struct pool_call told[SHARED];
    struct pool_conn *lent; /* every handle that was borrowed */
    unsigned lent_count, lent_room;
    /* Of the hooks. */
    _Atomic uint64_t opened, closed, acquired, released, enqueued;
} r;

static void law(bool kept, const char *text)
{
    const char *none = NULL;
    if (kept)
        return;
    atomic_fetch_add(&r.wrong, 1);
    atomic_compare_exchange_strong(&r.law, &none, text);
}

static unsigned draw(unsigned *seed, unsigned below)
{
    return (unsigned)rand_r(seed) % below;
}

/* ---- what is shared ---- */

static struct pool_conn shared_conn(unsigned number)
{
    pthread_mutex_lock(&r.lock);
    struct pool_conn conn = r.conns[number % SHARED];
    pthread_mutex_unlock(&r.lock);
    return conn;
}

/* Whoever is in its place is given back, if that is allowed at the moment. */
static void share_conn(unsigned number, struct pool_conn conn)
{
    pthread_mutex_lock(&r.lock);
    struct pool_conn before = r.conns[number % SHARED];
    r.conns[number % SHARED] = conn;
    pthread_mutex_unlock(&r.lock);
    pool_conn_release(before, NULL);
}

/* One that we have borrowed, and so have to give back in the end. */
static void keep_and_share(unsigned number, struct pool_conn conn)
{
    pthread_mutex_lock(&r.lock);
    if (r.lent_count == r.lent_room) {
        r.lent_room = r.lent_room ? 2 * r.lent_room : 1024;
        r.lent = realloc(r.lent, r.lent_room * sizeof *r.lent);
        if (!r.lent)
            abort();
    }
    r.lent[r.lent_count++] = conn;
    pthread_mutex_unlock(&r.lock);
    share_conn(number, conn);
}

static struct pool_call shared_call(unsigned number)
{
    pthread_mutex_lock(&r.lock);
    struct pool_call call = r.told[number % SHARED];
    pthread_mutex_unlock(&r.lock);
    return call;
}

static void share_call(unsigned number, struct pool_call call)
{
    pthread_mutex_lock(&r.lock);
    r.told[number % SHARED] = call;
    pthread_mutex_unlock(&r.lock);
}

static struct ticket *new_ticket(int64_t value, unsigned *seed)
{
    unsigned number = atomic_fetch_add(&r.next_ticket, 1);
    if (number >= TICKETS)
        return NULL;
    struct ticket *ticket = &r.tickets[number];
    ticket->value = value;
    ticket->seed = (unsigned)rand_r(seed);
    return ticket;
}

/* ---- callbacks ---- */

static void call_something(unsigned *seed, bool in_callback);

static void tell(struct ticket *ticket)
{
    law(atomic_fetch_add(&ticket->told, 1) == 0, "a callback ran twice");
    law(!atomic_load(&r.ended), "a callback ran after the end");
}

static void check_value(struct pool_result *result, int64_t value)
{
    if (result && value >= 0)
        law(pool_next(result) && pool_get_int(result, 0) == value, "a result was somebody else's");
}

static void take_result(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct ticket *ticket = arg;
    law(!err || (err->code != POOL_OK && !result), "an error was none, or had a result");
    check_value(result, ticket->value);
    pool_result_free(result);
    if (draw(&ticket->seed, 4) == 0)
        call_something(&ticket->seed, true);
    tell(ticket);
}

/* The connection is given back at once, or twice, or while it runs something, or is shared. */
static void take_conn(const struct pool_error *err, struct pool_conn conn, void *arg)
{
    struct ticket *ticket = arg;
    unsigned what = draw(&ticket->seed, 4);
    if (!err)
        keep_and_share(ticket->seed, conn);
    if (!err && what == 0)
        pool_conn_release(conn, NULL);
    if (!err && what == 1)
        pool_conn_destroy(conn, NULL);
    if (!err && what == 2) {
        struct ticket *more = new_ticket(5, &ticket->seed);
        if (more)
            more->accepted =
                pool_conn_query_async(conn, "SELECT 5", POOL_NO_ARGS, take_result, more, NULL);
        pool_conn_release(conn, NULL);
    }
    tell(ticket);
}

static enum pool_flow on_flow(struct pool_result *row, void *arg)
{
    struct ticket *ticket = arg;
    unsigned what = draw(&ticket->seed, 60);
    (void)row;
    return what == 0 ? POOL_FLOW_STOP : what < 3 ? POOL_FLOW_PAUSE : POOL_FLOW_CONTINUE;
}

static bool on_row(struct pool_result *row, void *arg)
{
    (void)row;
    return draw(arg, 30) != 0;
}

static bool on_progress(size_t done, size_t rows, void *arg)
{
    law(done <= rows, "more rows were done than there are");
    return draw(arg, 8) != 0;
}

/* A transaction that is well-behaved, or gives its connection away, or ends by itself. */
static bool in_transaction(struct pool_conn conn, void *arg, struct pool_error *err)
{
    unsigned *seed = arg;
    struct pool_result *result = pool_conn_query(conn, "UPDATE fuzz SET n = n + 1 WHERE id = ?",
                                                 POOL_ARGS(draw(seed, 8)), err);
    pool_result_free(result);
    switch (draw(seed, 8)) {
    case 0: pool_conn_release(conn, NULL); break;
    case 1: pool_conn_destroy(conn, NULL); break;
    case 2: pool_conn_commit(conn, NULL); break;
    case 3: share_conn(*seed, conn); break;
    case 4: return false;
    default: break;
    }
    return result != NULL;
}

static bool in_transaction_async(struct pool_conn conn, void *arg, struct pool_error *err)
{
    struct ticket *ticket = arg;
    return in_transaction(conn, &ticket->seed, err);
}

/* ---- calls ---- */

static const char *const texts[] = {
    "SELECT ? + 0",
    "SELECT n FROM fuzz WHERE id = ?",
    "SELECT SLEEP(0.00002 * ?)",
    "SELECT no_such_column, ?",
    "SYNTAX ?",
    "INSERT INTO fuzz VALUES (?, 1)",
    "SET @a = ?",
    "SELECT ? FROM fuzz FOR UPDATE",
    "DO GET_LOCK('fuzz', ? * 0)",
    "CREATE TEMPORARY TABLE IF NOT EXISTS fuzz_too AS SELECT ?",
    "KILL QUERY CONNECTION_ID() + 0 * ?",
    "SELECT ?, seq FROM seq_1_to_2000",
};

#define TEXTS (sizeof texts / sizeof texts[0])

static struct pool_request any_request(unsigned *seed, const struct pool_value *value)
{
    struct pool_request request = {.sql = texts[draw(seed, TEXTS)],
                                   .args = {value, 1},
                                   .text = draw(seed, 2),
                                   .idempotent = draw(seed, 2),
                                   .alone = draw(seed, 2)};
    if (draw(seed, 3) == 0)
        request.timeout_ms = 1 + draw(seed, 50);
    return request;
}

static struct pool_batch_request any_batch(unsigned *seed, struct pool_value values[8])
{
    for (unsigned i = 0; i < 8; i++)
        values[i] = pool_uint(1000 + draw(seed, 1000));
    return (struct pool_batch_request){.sql = "INSERT IGNORE INTO fuzz (id) VALUES (?)",
                                       .values = values,
                                       .rows = 8,
                                       .columns = 1,
                                       .atomic = draw(seed, 2)};
}

static void query_for_a_value(unsigned *seed)
{
    unsigned value = draw(seed, 1000);
    struct pool_result *result = pool_query(r.pool, "SELECT ?", POOL_ARGS(value), NULL);
    check_value(result, value);
    pool_result_free(result);
}

static void query_anything(unsigned *seed)
{
    struct pool_value value = pool_uint(draw(seed, 1000));
    struct pool_request request = any_request(seed, &value);
    pool_result_free(pool_query_with(r.pool, &request, NULL));
}

static void borrow_and_share(unsigned *seed)
{
    struct pool_conn conn;
    if (!pool_get_connection(r.pool, &conn, NULL))
        return;
    keep_and_share(*seed, conn);
    pool_result_free(pool_conn_query(conn, "SYNTAX", POOL_NO_ARGS, NULL));
    pool_conn_release(conn, NULL);
    pool_conn_release(conn, NULL);
}

static void borrow_and_begin(unsigned *seed)
{
    struct pool_conn conn;
    if (!pool_get_connection(r.pool, &conn, NULL))
        return;
    keep_and_share(*seed, conn);
    pool_conn_begin(conn, NULL);
    if (draw(seed, 2))
        pool_conn_destroy(conn, NULL);
    else
        pool_conn_release(conn, NULL);
}

static void use_a_shared_handle(unsigned *seed)
{
    struct pool_value value = pool_uint(draw(seed, 1000));
    struct pool_request request = any_request(seed, &value);
    pool_result_free(pool_conn_query_with(shared_conn(*seed), &request, NULL));
}

static void ping_a_shared_handle(unsigned *seed)
{
    pool_conn_ping(shared_conn(*seed), NULL);
}

static void transact(unsigned *seed)
{
    pool_transaction(r.pool, in_transaction, seed, NULL);
}

static void stream(unsigned *seed)
{
    const char *sql = "SELECT seq FROM seq_1_to_100";
    if (draw(seed, 2))
        pool_stream(r.pool, sql, POOL_NO_ARGS, on_row, seed, NULL);
    else
        pool_conn_stream(shared_conn(*seed), sql, POOL_NO_ARGS, on_row, seed, NULL);
}

static void batch(unsigned *seed)
{
    struct pool_value values[8];
    struct pool_batch_request request = any_batch(seed, values);
    if (draw(seed, 2)) {
        request.progress = on_progress;
        request.progress_arg = seed;
    }
    pool_result_free(pool_batch_with(r.pool, &request, NULL));
}

static void ping(unsigned *seed)
{
    (void)seed;
    pool_ping(r.pool, NULL);
}

/* ---- calls with callbacks ---- */

static void accepted(unsigned *seed, struct ticket *ticket, bool ok, const struct pool_call *call)
{
    ticket->accepted = ok;
    if (!ok || !call)
        return;
    share_call(*seed, *call);
    if (draw(seed, 8) == 0)
        pool_cancel(*call, NULL);
}

static void query_async(unsigned *seed)
{
    unsigned number = draw(seed, 1000);
    struct pool_value value = pool_uint(number);
    struct pool_request request = any_request(seed, &value);
    struct pool_call call;
    bool known = draw(seed, 3) > 0;
    struct ticket *ticket = new_ticket(known ? (int64_t)number : -1, seed);
    if (!ticket)
        return;
    if (known)
        request.sql = "SELECT ?";
    accepted(seed, ticket,
             pool_query_async_with(r.pool, &request, take_result, ticket, &call, NULL), &call);
}

static void conn_async(unsigned *seed)
{
    struct ticket *ticket = new_ticket(-1, seed);
    if (ticket)
        accepted(seed, ticket, pool_get_connection_async(r.pool, take_conn, ticket, NULL), NULL);
}

static void stream_async(unsigned *seed)
{
    struct pool_call call;
    struct pool_request request = {.sql = "SELECT seq FROM seq_1_to_200", .timeout_ms = 60};
    struct ticket *ticket = new_ticket(-1, seed);
    if (ticket)
        accepted(
            seed, ticket,
            pool_stream_async_with(r.pool, &request, on_flow, take_result, ticket, &call, NULL),
            &call);
}

static void transact_async(unsigned *seed)
{
    struct pool_call call;
    struct pool_transaction_request request = {.tries = draw(seed, 3),
                                               .timeout_ms = draw(seed, 2) * 50,
                                               .read_only = draw(seed, 4) == 0,
                                               .isolation = (enum pool_isolation)draw(seed, 5)};
    struct ticket *ticket = new_ticket(-1, seed);
    if (ticket)
        accepted(seed, ticket,
                 pool_transaction_async_with(r.pool, &request, in_transaction_async, take_result,
                                             ticket, &call, NULL),
                 &call);
}

static void batch_async(unsigned *seed)
{
    struct pool_value values[8];
    struct pool_call call;
    struct pool_batch_request request = any_batch(seed, values);
    struct ticket *ticket = new_ticket(-1, seed);
    if (ticket)
        accepted(seed, ticket,
                 pool_batch_async_with(r.pool, &request, take_result, ticket, &call, NULL), &call);
}

static void use_a_shared_handle_async(unsigned *seed)
{
    struct pool_conn conn = shared_conn(*seed);
    struct ticket *ticket = new_ticket(-1, seed);
    if (!ticket)
        return;
    bool ok = draw(seed, 2) ? pool_conn_begin_async(conn, take_result, ticket, NULL)
                            : pool_conn_rollback_async(conn, take_result, ticket, NULL);
    accepted(seed, ticket, ok, NULL);
}

/* ---- calls that end or ask ---- */

static void cancel(unsigned *seed)
{
    pool_cancel(shared_call(*seed), NULL);
}

static void resume(unsigned *seed)
{
    pool_resume(shared_call(*seed), NULL);
}

static void release(unsigned *seed)
{
    pool_conn_release(shared_conn(*seed), NULL);
}

static void destroy(unsigned *seed)
{
    pool_conn_destroy(shared_conn(*seed), NULL);
}

/* Handles that nobody gave out. */
static void invent_handles(unsigned *seed)
{
    uint64_t ticket = (uint64_t)(draw(seed, 1000) + 1000000) << 32 | draw(seed, 8);
    struct pool_conn conn = {r.pool, ticket};
    struct pool_call call = {r.pool, ticket};
    law(!pool_conn_release(conn, NULL) && !pool_conn_destroy(conn, NULL) &&
            !pool_conn_thread_id(conn) && !pool_conn_native(conn) && !pool_cancel(call, NULL) &&
            !pool_resume(call, NULL),
        "an invented handle was taken for one");
}

static void ask_for_statistics(unsigned *seed)
{
    struct pool_stats stats;
    (void)seed;
    pool_stats(r.pool, &stats);
    law(stats.released <= stats.acquired && stats.in_use <= LIMIT && stats.open <= LIMIT,
        "the statistics contradict themselves");
}

static void dispatch(unsigned *seed)
{
    (void)seed;
    law(pool_dispatch(r.pool, 0) < 0 || r.manual, "a pool with a thread let itself be dispatched");
}

typedef void call_fn(unsigned *seed);

/* clang-format off */
static call_fn *const blocking[] = {
    query_for_a_value,   query_anything,       borrow_and_share, borrow_and_begin,
    use_a_shared_handle, ping_a_shared_handle, transact,         stream,
    batch,               ping,                 query_for_a_value};
/* clang-format on */
static call_fn *const others[] = {
    query_async,       query_async,    query_async,    query_async, conn_async,
    stream_async,      transact_async, batch_async,    cancel,      resume,
    release,           destroy,        invent_handles, dispatch,    use_a_shared_handle_async,
    ask_for_statistics};

static void call_something(unsigned *seed, bool in_callback)
{
    unsigned among_blocking = draw(seed, 3);
    atomic_fetch_add(&r.calls, 1);
    if (in_callback && among_blocking == 0 && draw(seed, 4) == 0)
        law(!pool_end(r.pool, 0, NULL), "a callback ended the pool");
    else if (among_blocking == 0)
        blocking[draw(seed, sizeof blocking / sizeof blocking[0])](seed);
    else
        others[draw(seed, sizeof others / sizeof others[0])](seed);
}

/* ---- hooks ---- */

static void on_connection(unsigned long thread_id, void *arg)
{
    (void)thread_id;
    (void)arg;
    atomic_fetch_add(&r.opened, 1);
}

static void on_close(enum pool_close_reason reason, unsigned long thread_id, void *arg)
{
    (void)reason;
    (void)thread_id;
    (void)arg;
    atomic_fetch_add(&r.closed, 1);
}

static void on_enqueue(void *arg)
{
    (void)arg;
    atomic_fetch_add(&r.enqueued, 1);
}

/* Now and then with a call of its own. */
static void on_acquire(uint64_t waited_ns, void *arg)
{
    unsigned seed = (unsigned)waited_ns;
    (void)arg;
    if (atomic_fetch_add(&r.acquired, 1) % 64 == 0)
        query_async(&seed);
}

static void on_release(uint64_t held_ns, void *arg)
{
    (void)held_ns;
    (void)arg;
    atomic_fetch_add(&r.released, 1);
}

/* ---- a round ---- */

static void *be_caller(void *arg)
{
    unsigned seed = *(unsigned *)arg;
    for (unsigned i = 0; i < CALLS; i++)
        call_something(&seed, false);
    return NULL;
}

static void *be_dispatcher(void *arg)
{
    while (!atomic_load(&r.stop))
        if (pool_dispatch(r.pool, 5) < 0)
            pause_ms(1);
    return arg;
}

static void begin_round(unsigned seed, bool manual)
{
    struct pool_options options = app_options();
    memset(&r, 0, sizeof r);
    pthread_mutex_init(&r.lock, NULL);
    r.tickets = calloc(TICKETS, sizeof *r.tickets);
    r.manual = manual;
    assert_non_null(r.tickets);
    options.connection_limit = 2 + seed % (LIMIT - 1);
    options.acquire_timeout_ms = 60;
    options.query_timeout_ms = 20 + seed % 7 * 20;
    options.manual_dispatch = manual;
    options.hooks = (struct pool_hooks){.on_connection = on_connection,
                                        .on_enqueue = on_enqueue,
                                        .on_acquire = on_acquire,
                                        .on_release = on_release,
                                        .on_close = on_close};
    make_pool(options);
    r.pool = f.pool;
}

static void end_round_s_pool(unsigned drain_ms)
{
    uint64_t begin = now_ms();
    f.pool = NULL;
    pool_end(r.pool, drain_ms, NULL);
    uint64_t took_ms = now_ms() - begin;
    atomic_store(&r.ended, true);
    if (took_ms > drain_ms + LATE)
        fail_msg("the end took %lu ms of %u", took_ms, drain_ms);
    if (took_ms > drain_ms + 200)
        print_message("           the end took %lu ms of %u\n", took_ms, drain_ms);
}

/* Whatever is still held is given back, as a program has to. */
static void give_everything_back(void)
{
    struct pool_error err;
    for (unsigned i = 0; i < r.lent_count; i++)
        if (!pool_conn_release(r.lent[i], &err) && err.code != POOL_ERR_STALE)
            fail_with("the last release", &err);
}

static void check_tickets(void)
{
    unsigned count = atomic_load(&r.next_ticket);
    for (unsigned i = 0; i < count && i < TICKETS; i++) {
        unsigned told = atomic_load(&r.tickets[i].told);
        if (told != r.tickets[i].accepted)
            fail_msg("call %u was %s and told %u times", i,
                     r.tickets[i].accepted ? "accepted" : "refused", told);
    }
}

static void check_pairs(void)
{
    struct pool_stats stats;
    pool_stats(r.pool, &stats);
    assert_int_equal(r.opened, r.closed);
    assert_int_equal(r.acquired, r.released);
    assert_int_equal(stats.acquired, stats.released);
    assert_int_equal(stats.opened, stats.closed);
    assert_int_equal(stats.in_use, 0);
}

static void end_round(void)
{
    check_tickets();
    give_everything_back();
    check_pairs();
    if (atomic_load(&r.wrong))
        fail_msg("%u times, the first: %s", atomic_load(&r.wrong), atomic_load(&r.law));
    free(r.tickets);
    free(r.lent);
}

/* The pool ends when all calls have been made, or half of them. */
static void run_round(unsigned seed, bool manual, bool in_the_middle)
{
    pthread_t callers[THREADS], dispatchers[2];
    unsigned seeds[THREADS];
    begin_round(seed, manual);
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = seed * 1000 + i;
        assert_int_equal(pthread_create(&callers[i], NULL, be_caller, &seeds[i]), 0);
    }
    for (unsigned i = 0; manual && i < 2; i++)
        assert_int_equal(pthread_create(&dispatchers[i], NULL, be_dispatcher, NULL), 0);
    if (in_the_middle)
        assert_within(GENEROUS, atomic_load(&r.calls) >= THREADS * CALLS / 2);
    else
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(callers[i], NULL);
    end_round_s_pool(seed % 3 * DRAIN_MS);
    for (unsigned i = 0; in_the_middle && i < THREADS; i++)
        pthread_join(callers[i], NULL);
    atomic_store(&r.stop, true);
    for (unsigned i = 0; manual && i < 2; i++)
        pthread_join(dispatchers[i], NULL);
    end_round();
}

static void run_rounds(unsigned first, bool manual, bool in_the_middle)
{
    const char *wish = getenv("MYPOOL_API_SEEDS");
    unsigned rounds = wish ? (unsigned)strtoul(wish, NULL, 10) : ROUNDS;
    for (unsigned i = 0; i < rounds; i++)
        run_round(first + i, manual, in_the_middle);
}

static void any_calls_keep_the_laws(void **state)
{
    (void)state;
    run_rounds(1, false, false);
}

static void any_calls_keep_the_laws_in_manual_mode(void **state)
{
    (void)state;
    run_rounds(1001, true, false);
}

static void any_calls_keep_the_laws_when_the_pool_ends_among_them(void **state)
{
    (void)state;
    run_rounds(2001, false, true);
}

static void any_calls_keep_the_laws_when_the_pool_ends_in_manual_mode(void **state)
{
    (void)state;
    run_rounds(3001, true, true);
}

/* ---- fork ---- */

static void must_not_run(const struct pool_error *err, struct pool_result *result, void *arg)
{
    (void)err;
    (void)result;
    (void)arg;
    _exit(11);
}

static _Noreturn void be_child(bool ends)
{
    struct pool_conn conn;
    struct pool_error err;
    if (pool_query(r.pool, "SELECT 1", POOL_NO_ARGS, &err) || err.code != POOL_ERR_STALE)
        _exit(12);
    if (pool_get_connection(r.pool, &conn, &err) || err.code != POOL_ERR_STALE)
        _exit(13);
    if (pool_query_async(r.pool, "SELECT 1", POOL_NO_ARGS, must_not_run, NULL, &err))
        _exit(14);
    if (ends)
        pool_end(r.pool, 0, &err);
    _exit(0);
}

static void fork_now_and_then(void)
{
    for (unsigned i = 0; atomic_load(&r.calls) < THREADS * CALLS; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0)
            be_child(i % 2);
        assert_true(child > 0);
        if (!WITHIN(GENEROUS, waitpid(child, &status, WNOHANG) == child)) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            fail_msg("the child hangs");
        }
        assert_int_equal(status, 0);
        pause_ms(10);
    }
}

static void a_child_that_is_forked_among_any_calls_gets_errors(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it does not follow a fork of many threads */
#endif
    pthread_t callers[THREADS];
    unsigned seeds[THREADS];
    begin_round(7, false);
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = 7000 + i;
        assert_int_equal(pthread_create(&callers[i], NULL, be_caller, &seeds[i]), 0);
    }
    fork_now_and_then();
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(callers[i], NULL);
    end_round_s_pool(DRAIN_MS);
    end_round();
}

static int set_up(void **state)
{
    (void)state;
    if (begin_fixture(state))
        return -1;
    admin_does(f.admin,
               "CREATE OR REPLACE TABLE mypool.fuzz (id INT PRIMARY KEY, n INT DEFAULT 0)");
    admin_does(f.admin, "INSERT INTO mypool.fuzz (id) SELECT seq FROM seq_0_to_20");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    end_fixture();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(any_calls_keep_the_laws),
        TEST(any_calls_keep_the_laws_in_manual_mode),
        TEST(any_calls_keep_the_laws_when_the_pool_ends_among_them),
        TEST(any_calls_keep_the_laws_when_the_pool_ends_in_manual_mode),
        TEST(a_child_that_is_forked_among_any_calls_gets_errors),
    };
    return server_suite_main(argc, argv, tests);
}
