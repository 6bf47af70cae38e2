/*
 * What the library asks libmariadb about the server comes through here, in every suite that is
 * linked with this.
 */
#include "batches.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <mysql.h>
#include <stdio.h>

_Atomic bool no_bulk;

/* The library under test asks here for what the server can do. */
my_bool mariadb_get_infov(MYSQL *mysql, enum mariadb_value value, void *arg, ...)
{
    typedef my_bool infov_fn(MYSQL *, enum mariadb_value, void *, ...);
    union {
        void *data;
        infov_fn *call;
    } real = {dlsym(RTLD_NEXT, "mariadb_get_infov")};
    my_bool failed = real.call(mysql, value, arg);
    if (value == MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES && no_bulk)
        *(unsigned long *)arg = 0;
    return failed;
}

/* ---- values ---- */

struct pool_value *new_values(size_t count)
{
    struct pool_value *values = malloc(count * sizeof *values);
    assert_non_null(values);
    return values;
}

struct pool_value *new_pairs(int first, size_t rows)
{
    struct pool_value *values = new_values(rows * 2);
    for (size_t i = 0; i < rows; i++) {
        values[2 * i] = pool_int(first + (int)i);
        values[2 * i + 1] = pool_int((int)i);
    }
    return values;
}

/* ---- calls ---- */

const char insert[] = "INSERT INTO held (n, v) VALUES (?, ?)";

void make_pairs_table(void)
{
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT PRIMARY KEY, v INT) ENGINE = InnoDB");
}

void need(struct pool_result *result, const struct pool_error *err)
{
    if (!result)
        fail_with("batch", err);
}

uint64_t batch(const char *sql, const struct pool_value *values, size_t rows, size_t columns)
{
    struct pool_error err;
    struct pool_result *result = pool_batch(f.pool, sql, values, rows, columns, &err);
    need(result, &err);
    assert_int_equal(err.code, POOL_OK);
    uint64_t affected = pool_affected_rows(result);
    pool_result_free(result);
    return affected;
}

struct pool_error failure_of_batch(const struct pool_batch_request *request)
{
    struct pool_error err;
    struct pool_result *result = pool_batch_with(f.pool, request, &err);
    assert_null(result);
    assert_int_not_equal(err.code, POOL_OK);
    return err;
}

struct pool_batch_request pairs_request(struct pool_value *values, size_t rows)
{
    return (struct pool_batch_request){.sql = insert, .values = values, .rows = rows, .columns = 2};
}

void assert_says(const struct pool_error *err, enum pool_code code, const char *part)
{
    if (err->code != code || !strstr(err->message, part))
        fail_msg("'%s' is not in %s: %s", part, pool_code_name(err->code), err->message);
}

void assert_sum(const char *sql, long sum)
{
    assert_int_equal(admin_asks(f.admin, sql), sum);
}

void make_small_packet_pool(void)
{
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.max_packet_bytes = 16384;
    make_pool(options);
}

/* ---- many ---- */

bool on_progress(size_t done, size_t rows, void *arg)
{
    struct progress *progress = arg;
    progress->in_order =
        (progress->calls == 0 || progress->in_order) && done > progress->last && done < rows;
    progress->last = done;
    return ++progress->calls != progress->stop_at;
}

/* ---- failures in the middle ---- */

struct pool_error fail_in_the_middle(const char *sql, size_t row, bool atomic)
{
    struct pool_value *values = new_pairs(0, SOME);
    values[2 * (row - 1)] = pool_int(0);
    struct pool_batch_request request = pairs_request(values, SOME);
    request.sql = sql;
    request.atomic = atomic;
    struct pool_error err = failure_of_batch(&request);
    free(values);
    assert_int_equal(err.server_errno, 1062);
    assert_false(err.not_executed || err.fatal);
    return err;
}

/* ---- one by one ---- */

void fill_and_check(void)
{
    make_pairs_table();
    struct pool_value *values = new_pairs(0, SOME);
    assert_int_equal(batch(insert, values, SOME, 2), SOME);
    free(values);
    assert_rows(SOME);
    assert_sum("SELECT COUNT(*) FROM mypool.held WHERE n = v", SOME);
}

/* ---- with a callback ---- */

void on_answer(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct answer *answer = arg;
    answer->code = err ? err->code : POOL_OK;
    snprintf(answer->message, sizeof answer->message, "%s", err ? err->message : "");
    answer->affected = pool_affected_rows(result);
    pool_result_free(result);
    atomic_fetch_add(&answer->calls, 1);
}

void run_async(const struct pool_batch_request *request, struct answer *answer,
               struct pool_call *ret_call)
{
    struct pool_error err;
    if (!pool_batch_async_with(f.pool, request, on_answer, answer, ret_call, &err))
        fail_with("async", &err);
}

/* before and after each test */

int set_up_batch(void **state)
{
    atomic_store(&no_bulk, false);
    return begin_fixture(state);
}

int tear_down_batch(void **state)
{
    (void)state;
    end_fixture();
    return 0;
}
