/*
 * pool_batch with a callback: its result, its failure, and cancelling. See batches.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "batches.h"
#include "suite.h"

static void a_callback_gets_the_result_of_a_batch(void **state)
{
    (void)state;
    static struct answer answer;
    answer = (struct answer){0};
    make_small_packet_pool();
    make_pairs_table();
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_batch_request request = pairs_request(values, SOME);
    request.atomic = true;
    run_async(&request, &answer, NULL);
    memset(values, 0xff, 2 * SOME * sizeof *values); /* they have been copied */
    free(values);
    assert_within(GENEROUS, atomic_load(&answer.calls) == 1);
    assert_string_equal(answer.message, "");
    assert_int_equal(answer.affected, SOME);
    assert_sum("SELECT COUNT(*) FROM mypool.held WHERE n = v", SOME);
}

static void a_callback_gets_the_failure_of_a_batch(void **state)
{
    (void)state;
    static struct answer answer;
    static struct progress progress;
    answer = (struct answer){0};
    progress = (struct progress){.stop_at = 2};
    make_small_packet_pool();
    make_pairs_table();
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_batch_request request = pairs_request(values, SOME);
    request.progress = on_progress;
    request.progress_arg = &progress;
    run_async(&request, &answer, NULL);
    free(values);
    assert_within(GENEROUS, atomic_load(&answer.calls) == 1);
    assert_int_equal(answer.code, POOL_ERR_CANCELLED);
    assert_rows((long)progress.last);
}

static struct pool_call to_cancel;

static bool cancel_and_go_on(size_t done, size_t rows, void *arg)
{
    _Atomic unsigned *cancels = arg;
    (void)done, (void)rows;
    if (pool_cancel(to_cancel, NULL))
        atomic_fetch_add(cancels, 1);
    return true;
}

static void a_cancelled_atomic_batch_leaves_nothing(void **state)
{
    (void)state;
    static struct answer answer;
    static _Atomic unsigned cancels;
    answer = (struct answer){0};
    make_small_packet_pool();
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 10 * SOME);
    struct pool_batch_request request = pairs_request(values, 10 * SOME);
    request.atomic = true;
    request.progress = cancel_and_go_on;
    request.progress_arg = &cancels;
    run_async(&request, &answer, &to_cancel);
    free(values);
    assert_within(GENEROUS, atomic_load(&answer.calls) == 1);
    assert_int_equal(answer.code, POOL_ERR_CANCELLED);
    assert_true(atomic_load(&cancels) > 0);
    assert_rows(0);
}

static void a_callback_comes_for_no_rows_too(void **state)
{
    (void)state;
    static struct answer answer;
    answer = (struct answer){.affected = 1};
    make_pool_of_one(NULL);
    struct pool_batch_request request = pairs_request(NULL, 0);
    run_async(&request, &answer, NULL);
    assert_within(GENEROUS, atomic_load(&answer.calls) == 1);
    assert_int_equal(answer.code, POOL_OK);
    assert_int_equal(answer.affected, 0);
    assert_int_equal(stats_now().opened + stats_now().connecting, 0);
}

static void a_wrong_batch_is_refused_without_a_callback(void **state)
{
    (void)state;
    static struct answer answer;
    struct pool_error err;
    make_pool_of_one(NULL);
    struct pool_value values[] = {pool_int(1), pool_list(NULL, 0)};
    struct pool_batch_request request = pairs_request(values, 1);
    assert_false(pool_batch_async_with(f.pool, &request, on_answer, &answer, NULL, &err));
    assert_says(&err, POOL_ERR_INVALID, "row 1, column 2 is a list");
    assert_false(pool_batch_async_with(f.pool, &request, NULL, NULL, NULL, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_int_equal(answer.calls, 0);
}

static void many_batches_with_callbacks_run_side_by_side(void **state)
{
    (void)state;
    enum { BATCHES = 40, ROWS = 50 };
    static struct answer answers[BATCHES];
    memset(answers, 0, sizeof answers);
    make_pool(app_options());
    make_pairs_table();
    for (int i = 0; i < BATCHES; i++) {
        struct pool_value *values = new_pairs(i * ROWS, ROWS);
        struct pool_batch_request request = pairs_request(values, ROWS);
        run_async(&request, &answers[i], NULL);
        free(values);
    }
    for (int i = 0; i < BATCHES; i++) {
        assert_within(GENEROUS, atomic_load(&answers[i].calls) == 1);
        assert_int_equal(answers[i].affected, ROWS);
    }
    assert_rows(BATCHES * ROWS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_batch, tear_down_batch)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_callback_gets_the_result_of_a_batch),
        TEST(a_callback_gets_the_failure_of_a_batch),
        TEST(a_cancelled_atomic_batch_leaves_nothing),
        TEST(a_callback_comes_for_no_rows_too),
        TEST(a_wrong_batch_is_refused_without_a_callback),
        TEST(many_batches_with_callbacks_run_side_by_side),
    };
    return server_suite_main(argc, argv, tests);
}
