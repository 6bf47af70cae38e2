/*
 * pool_stream_async and pool_resume: rows in order, stopping, pausing and going on, and how a
 * stream that pauses ends when nobody resumes it.
 *
 * Needs a server: MYPOOL_URL, MYPOOL_TLS_URL and MYPOOL_SOCKET_URL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

#include "calls.h"
#include "handled.h"
#include "suite.h"

#include <malloc.h>

#define MANY 20000u
#define NUMBERS "SELECT seq FROM seq_1_to_20000"
#define BIG "SELECT REPEAT('x', 10000) FROM seq_1_to_20000" /* 200 MB */

/* A stream, and what its row callback does. */
struct stream {
    struct seen seen; /* first: the end */
    struct pool_call call;
    _Atomic unsigned rows;
    _Atomic bool wrong;
    _Atomic unsigned pauses;
    unsigned pause_every; /* 0: never */
    unsigned stop_at;
    bool resume_itself;  /* before it pauses */
    enum pool_flow flow; /* of never_resumed */
    void (*at_first)(struct stream *stream);
    enum pool_code inner; /* of what at_first tried */
    struct pool_conn conn;
};

static enum pool_flow on_row(struct pool_result *row, void *arg)
{
    struct stream *stream = arg;
    unsigned number_of = atomic_fetch_add(&stream->rows, 1) + 1;
    if (pool_column_type(row, 0) != POOL_TYPE_TEXT && pool_get_int(row, 0) != number_of)
        atomic_store(&stream->wrong, true);
    if (number_of == 1 && stream->at_first)
        stream->at_first(stream);
    if (number_of == stream->stop_at)
        return POOL_FLOW_STOP;
    if (!stream->pause_every || number_of % stream->pause_every)
        return POOL_FLOW_CONTINUE;
    if (stream->resume_itself)
        pool_resume(stream->call, NULL);
    atomic_fetch_add(&stream->pauses, 1);
    return POOL_FLOW_PAUSE;
}

/* This must be accepted. */
static void start_stream(const char *sql, uint32_t timeout_ms, struct stream *stream)
{
    struct pool_request request = {.sql = sql, .timeout_ms = timeout_ms};
    struct pool_error err;
    if (!pool_stream_async_with(f.pool, &request, on_row, on_result, stream, &stream->call, &err))
        fail_with(sql, &err);
}

static enum pool_flow never_resumed(struct pool_result *row, void *arg)
{
    struct stream *stream = arg;
    (void)row;
    atomic_fetch_add(&stream->rows, 1);
    return stream->flow;
}

/* Nobody has its handle. */
static void assert_misuse_is_told(enum pool_flow flow, const char *message)
{
    struct pool_request request = {.sql = "SELECT seq FROM seq_1_to_10"};
    struct stream stream = {.flow = flow};
    struct pool_error err;
    make_pool_of(1, false);
    if (!pool_stream_async_with(f.pool, &request, never_resumed, on_result, &stream, NULL, &err))
        fail_with("stream", &err);
    assert_seen_failed(&stream.seen, POOL_ERR_INVALID);
    assert_non_null(strstr(stream.seen.err.message, message));
    assert_int_equal(atomic_load(&stream.rows), 1);
    must("SELECT 1");
}

static bool has_paused(struct stream *stream, unsigned times)
{
    pool_dispatch(f.pool, 0);
    return atomic_load(&stream->pauses) >= times;
}

/* On a new pool, it pauses after its first row. */
static void start_paused(const char *sql, uint32_t timeout_ms, bool manual, struct stream *stream)
{
    stream->pause_every = 1;
    make_pool_of(2, manual);
    start_stream(sql, timeout_ms, stream);
    assert_within(GENEROUS, has_paused(stream, 1));
}

static void resume(struct stream *stream)
{
    struct pool_error err;
    if (!pool_resume(stream->call, &err))
        fail_with("resume", &err);
}

static void assert_all(struct stream *stream, unsigned rows)
{
    assert_seen_ok(&stream->seen);
    assert_false(pool_next(stream->seen.result));
    pool_result_free(stream->seen.result);
    assert_int_equal(atomic_load(&stream->rows), rows);
    assert_false(atomic_load(&stream->wrong));
}

static void assert_failed(struct stream *stream, enum pool_code code)
{
    assert_seen_failed(&stream->seen, code);
    must("SELECT 1");
}

/* ---- rows ---- */

static void all_rows_come_in_order_whatever_the_way(void **state)
{
    static const char *const ways[] = {"MYPOOL_URL", "MYPOOL_TLS_URL", "MYPOOL_SOCKET_URL"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct stream stream = {.pause_every = 5000, .resume_itself = true};
        struct pool_error err;
        f.pool = pool_create_url(getenv(ways[i]), &err);
        assert_non_null(f.pool);
        start_stream(NUMBERS, 0, &stream);
        assert_all(&stream, MANY);
        assert_int_equal(stats_now().closed, 0);
        end_at_once();
    }
}

static void a_stream_without_rows_ends_well(void **state)
{
    (void)state;
    struct stream stream = {.rows = 0};
    make_pool_of(1, false);
    start_stream("SELECT 1 WHERE FALSE", 0, &stream);
    assert_all(&stream, 0);
}

static void a_stream_stops_when_told(void **state)
{
    (void)state;
    struct stream stream = {.stop_at = 10};
    make_pool_of(1, false);
    start_stream(BIG, 0, &stream);
    assert_all(&stream, 10);
    must("SELECT 1");
}

static void an_error_of_the_server_is_told_once(void **state)
{
    (void)state;
    struct stream stream = {.rows = 0};
    make_pool_of(1, false);
    start_stream("SELECT nothing FROM nowhere", 0, &stream);
    assert_failed(&stream, POOL_ERR_SERVER);
    assert_int_equal(atomic_load(&stream.rows), 0);
}

/* ---- pausing ---- */

static void a_paused_stream_reads_nothing_until_it_is_resumed(void **state)
{
    (void)state;
    struct stream stream = {.rows = 0};
    start_paused("SELECT seq FROM seq_1_to_3", 0, false, &stream);
    for (unsigned i = 1; i <= 3; i++) {
        assert_within(GENEROUS, has_paused(&stream, i));
        must("SELECT 1"); /* the loop has had its turn */
        assert_int_equal(atomic_load(&stream.rows), i);
        assert_int_equal(atomic_load(&stream.seen.calls), 0);
        resume(&stream);
    }
    assert_all(&stream, 3);
    assert_int_equal(stats_now().closed, 0);
}

static void a_stream_pauses_in_the_programs_own_loop(void **state)
{
    (void)state;
    struct stream stream = {.rows = 0};
    start_paused("SELECT seq FROM seq_1_to_3", 0, true, &stream);
    for (unsigned i = 1; i <= 3; i++) {
        assert_within(GENEROUS, has_paused(&stream, i));
        resume(&stream);
    }
    assert_all(&stream, 3);
}

static void resumed_in_its_row_callback_it_does_not_pause(void **state)
{
    (void)state;
    struct stream stream = {.pause_every = 1, .resume_itself = true};
    make_pool_of(1, false);
    start_stream(NUMBERS, 0, &stream);
    assert_all(&stream, MANY);
    assert_int_equal(atomic_load(&stream.pauses), MANY);
}

static void resumed_before_the_first_row_it_does_not_pause_once(void **state)
{
    (void)state;
    struct stream stream = {.pause_every = 1};
    make_pool_of(1, true);
    must("SELECT 1");
    start_stream("SELECT seq FROM seq_1_to_2", 0, &stream);
    resume(&stream);
    resume(&stream); /* twice is once */
    assert_within(GENEROUS, has_paused(&stream, 2));
    assert_int_equal(atomic_load(&stream.seen.calls), 0);
    resume(&stream);
    assert_all(&stream, 2);
}

struct resumer {
    struct stream *stream;
    _Atomic bool stop;
};

static void *resume_until_stopped(void *arg)
{
    struct resumer *resumer = arg;
    while (!atomic_load(&resumer->stop))
        pool_resume(resumer->stream->call, NULL);
    return NULL;
}

static void many_threads_may_resume_one_stream(void **state)
{
    (void)state;
    static struct stream stream;
    struct resumer resumer = {.stream = &stream};
    pthread_t threads[3];
    memset(&stream, 0, sizeof stream);
    start_paused("SELECT seq FROM seq_1_to_2000", 0, false, &stream);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, resume_until_stopped, &resumer), 0);
    bool ended = WITHIN(4 * GENEROUS, is_seen(&stream.seen));
    atomic_store(&resumer.stop, true);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_true(ended);
    assert_all(&stream, 2000);
    assert_stale(stream.call);
}

static void a_result_of_any_size_takes_constant_memory(void **state)
{
    (void)state;
    struct stream stream = {.pause_every = 5000};
    struct pool_options options = app_options();
    options.max_result_bytes = 1024 * 1024;
    make_pool(options);
    size_t before = mallinfo2().uordblks;
    start_stream(BIG, 0, &stream);
    for (unsigned i = 1; i <= 4; i++) {
        assert_within(GENEROUS, has_paused(&stream, i));
        assert_true(mallinfo2().uordblks < before + 16 * 1024 * 1024);
        resume(&stream);
    }
    assert_all(&stream, MANY);
}

/* ---- nobody resumes ---- */

static void the_deadline_passes_while_it_pauses(void **state)
{
    (void)state;
    struct stream stream = {.rows = 0};
    start_paused(NUMBERS, 1000, false, &stream);
    assert_failed(&stream, POOL_ERR_QUERY_TIMEOUT);
    assert_false(stream.seen.err.not_executed);
    assert_int_equal(atomic_load(&stream.rows), 1);
}

/* Three pauses, each longer than the stream may take. */
static void its_time_stands_still_with_it_if_the_request_says_so(void **state)
{
    (void)state;
    struct stream stream = {.pause_every = 1, .stop_at = 0};
    struct pool_request request = {
        .sql = "SELECT seq FROM seq_1_to_3", .timeout_ms = 1000, .pause_stops_deadline = true};
    struct pool_error err;
    make_pool_of(1, false);
    if (!pool_stream_async_with(f.pool, &request, on_row, on_result, &stream, &stream.call, &err))
        fail_with("stream", &err);
    for (unsigned i = 1; i <= 3; i++) {
        assert_within(GENEROUS, has_paused(&stream, i));
        pause_ms(1100);
        resume(&stream);
    }
    assert_seen_ok(&stream.seen);
    pool_result_free(stream.seen.result);
    assert_int_equal(atomic_load(&stream.rows), 3);
}

static void but_runs_while_rows_are_awaited(void **state)
{
    (void)state;
    struct stream stream = {.pause_every = 1};
    struct pool_request request = {.sql = "SELECT seq, SLEEP(IF(seq > 1, 600, 0)) FROM seq_1_to_3",
                                   .timeout_ms = 300,
                                   .pause_stops_deadline = true};
    struct pool_error err;
    make_pool_of(1, false);
    if (!pool_stream_async_with(f.pool, &request, on_row, on_result, &stream, &stream.call, &err))
        fail_with("stream", &err);
    while (!WITHIN(100, atomic_load(&stream.seen.calls)))
        if (has_paused(&stream, 1))
            pool_resume(stream.call, NULL);
    assert_failed(&stream, POOL_ERR_QUERY_TIMEOUT);
}

static void a_paused_stream_is_cancelled(void **state)
{
    (void)state;
    struct stream stream = {.rows = 0};
    start_paused(BIG, 0, false, &stream);
    cancel(stream.call);
    assert_failed(&stream, POOL_ERR_CANCELLED);
    assert_stale(stream.call);
}

static void cancel_itself(struct stream *stream)
{
    pool_cancel(stream->call, NULL);
}

/* After 255 rows it lets others go first: there the cancel is noticed, and then comes the row
 * with the pause. */
static void a_cancelled_stream_does_not_pause(void **state)
{
    (void)state;
    struct stream stream = {.at_first = cancel_itself, .pause_every = 256};
    make_pool_of(1, false);
    start_stream(NUMBERS, 0, &stream);
    assert_failed(&stream, POOL_ERR_CANCELLED);
}

static void the_server_gives_up_on_who_pauses_too_long(void **state)
{
    (void)state;
    static const char *const hurry[] = {"SET net_write_timeout = 1", NULL};
    struct stream stream = {.pause_every = 1};
    make_pool_of_one(hurry);
    start_stream(BIG, 0, &stream);
    assert_within(GENEROUS, has_paused(&stream, 1));
    assert_within(GENEROUS, server_runs("%%REPEAT%%", 0));
    stream.pause_every = 0;
    resume(&stream);
    assert_failed(&stream, POOL_ERR_LOST);
}

static void its_connection_is_killed_while_it_pauses(void **state)
{
    (void)state;
    struct stream stream = {.rows = 0};
    start_paused(BIG, 0, false, &stream);
    long id = admin_asks(f.admin, "SELECT id FROM information_schema.processlist WHERE info LIKE "
                                  "'SELECT REPEAT%'");
    admin_does(f.admin, "KILL %ld", id);
    assert_within(GENEROUS, is_gone(f.admin, (unsigned long)id));
    stream.pause_every = 0;
    resume(&stream);
    assert_failed(&stream, POOL_ERR_LOST);
}

static void end_while_paused(bool manual)
{
    struct stream stream = {.rows = 0};
    uint64_t begin = now_ms();
    start_paused(BIG, 0, manual, &stream);
    assert_false(pool_end(f.pool, 50, NULL));
    f.pool = NULL;
    assert_true(now_ms() - begin < SOON);
    assert_int_equal(atomic_load(&stream.seen.calls), 1);
    assert_int_equal(stream.seen.err.code, POOL_ERR_CLOSED);
    assert_int_equal(atomic_load(&stream.rows), 1);
    assert_stale(stream.call);
}

static void a_pool_that_ends_does_not_wait_for_who_pauses(void **state)
{
    (void)state;
    end_while_paused(false);
    end_while_paused(true);
}

/* ---- others ---- */

static void others_go_on_while_it_pauses(void **state)
{
    (void)state;
    struct stream stream = {.rows = 0};
    struct seen seen;
    start_paused("SELECT seq FROM seq_1_to_1", 0, false, &stream);
    for (unsigned i = 0; i < 100; i++) {
        start("SELECT ? + 1", POOL_ARGS(i), &seen);
        assert_int_equal(value_of(&seen), i + 1);
    }
    resume(&stream);
    assert_all(&stream, 1);
}

static void try_to_block(struct stream *stream)
{
    struct pool_error err;
    stream->inner = POOL_OK;
    if (pool_query(f.pool, "SELECT 1", POOL_NO_ARGS, &err) || err.code != POOL_ERR_INVALID ||
        pool_end(f.pool, 0, &err) || err.code != POOL_ERR_INVALID ||
        pool_get_connection(f.pool, &stream->conn, &err))
        return;
    stream->inner = err.code;
}

static void what_blocks_is_refused_in_a_row_callback(void **state)
{
    (void)state;
    struct stream stream = {.at_first = try_to_block};
    make_pool_of(2, false);
    start_stream(NUMBERS, 0, &stream);
    assert_all(&stream, MANY);
    assert_int_equal(stream.inner, POOL_ERR_INVALID);
}

/* It leaves the value that it found in `inner`. */
static void ask_elsewhere(struct stream *stream)
{
    struct pool_error err;
    int64_t value = 0;
    struct pool_result *result =
        pool_conn_query(stream->conn, "SELECT SLEEP(0.05) + 7", POOL_NO_ARGS, &err);
    if (pool_next(result))
        value = pool_get_int(result, 0);
    pool_result_free(result);
    stream->inner = (enum pool_code)value;
}

static void a_row_callback_may_use_a_connection_that_it_holds(void **state)
{
    (void)state;
    for (int manual = 0; manual < 2; manual++) {
        struct stream stream = {.at_first = ask_elsewhere};
        struct pool_error err;
        make_pool_of(2, manual);
        assert_true(pool_get_connection(f.pool, &stream.conn, &err));
        start_stream(NUMBERS, 0, &stream);
        assert_all(&stream, MANY);
        assert_int_equal(stream.inner, 7);
        pool_conn_release(stream.conn, NULL);
        end_at_once();
    }
}

static void a_pause_that_nobody_can_end_fails_the_stream(void **state)
{
    (void)state;
    assert_misuse_is_told(POOL_FLOW_PAUSE, "no handle");
}

static void what_is_no_flow_fails_the_stream(void **state)
{
    (void)state;
    assert_misuse_is_told((enum pool_flow)3, "no enum pool_flow");
}

static void wrong_streams_are_refused(void **state)
{
    (void)state;
    struct stream stream = {.rows = 0};
    struct pool_request good = {.sql = "SELECT 1"};
    struct pool_request bad = {.sql = NULL};
    struct pool_error err;
    make_pool_of(1, false);
    assert_false(pool_stream_async_with(f.pool, &good, NULL, on_result, &stream, NULL, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_false(pool_stream_async_with(f.pool, &good, on_row, NULL, &stream, NULL, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_false(pool_stream_async_with(f.pool, &bad, on_row, on_result, &stream, NULL, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_false(pool_stream_async_with(NULL, &good, on_row, on_result, &stream, NULL, &err));
    assert_refused(&err, POOL_ERR_INVALID, 0);
    assert_int_equal(atomic_load(&stream.seen.calls), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        HANDLED_TEST(all_rows_come_in_order_whatever_the_way),
        HANDLED_TEST(a_stream_without_rows_ends_well),
        HANDLED_TEST(a_stream_stops_when_told),
        HANDLED_TEST(an_error_of_the_server_is_told_once),
        HANDLED_TEST(a_paused_stream_reads_nothing_until_it_is_resumed),
        HANDLED_TEST(a_stream_pauses_in_the_programs_own_loop),
        HANDLED_TEST(resumed_in_its_row_callback_it_does_not_pause),
        HANDLED_TEST(resumed_before_the_first_row_it_does_not_pause_once),
        HANDLED_TEST(many_threads_may_resume_one_stream),
        HANDLED_TEST(a_result_of_any_size_takes_constant_memory),
        HANDLED_TEST(the_deadline_passes_while_it_pauses),
        HANDLED_TEST(its_time_stands_still_with_it_if_the_request_says_so),
        HANDLED_TEST(but_runs_while_rows_are_awaited),
        HANDLED_TEST(a_paused_stream_is_cancelled),
        HANDLED_TEST(a_cancelled_stream_does_not_pause),
        HANDLED_TEST(the_server_gives_up_on_who_pauses_too_long),
        HANDLED_TEST(its_connection_is_killed_while_it_pauses),
        HANDLED_TEST(a_pool_that_ends_does_not_wait_for_who_pauses),
        HANDLED_TEST(others_go_on_while_it_pauses),
        HANDLED_TEST(what_blocks_is_refused_in_a_row_callback),
        HANDLED_TEST(a_row_callback_may_use_a_connection_that_it_holds),
        HANDLED_TEST(a_pause_that_nobody_can_end_fails_the_stream),
        HANDLED_TEST(what_is_no_flow_fails_the_stream),
        HANDLED_TEST(wrong_streams_are_refused),
    };
    return server_suite_main(argc, argv, tests);
}
