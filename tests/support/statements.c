/*
 * The thread of the test alone opens pools; the tear-down ends all of them. What changes the server
 * for everybody (SET GLOBAL) is undone by tear_down_server_globals.
 */
#include "statements.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* ---- pools ---- */

struct pool *pools[8];

static struct pool *open_url(const char *variable, const char *parameters)
{
    char url[512];
    struct pool_error err;
    unsigned i = 0;
    while (pools[i])
        assert_true(++i < 8);
    snprintf(url, sizeof url, "%s?connectionLimit=1&%s", getenv(variable), parameters);
    if (!parameters[0])
        url[strlen(url) - 1] = '\0';
    pools[i] = pool_create_url(url, &err);
    if (!pools[i])
        fail_msg("%s: %s", url, err.message);
    return pools[i];
}

struct pool *open_pool(const char *parameters)
{
    return open_url("MYPOOL_URL", parameters);
}

struct pool_result *query(struct pool *pool, const char *sql, struct pool_args args)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, sql, args, &err);
    if (!result)
        fail_msg("%.200s: %s %u %s", sql, pool_code_name(err.code), err.server_errno, err.message);
    return result;
}

struct pool_result *query_as_text(struct pool *pool, const char *sql, struct pool_args args)
{
    struct pool_error err;
    struct pool_request request = {.sql = sql, .args = args, .text = true};
    struct pool_result *result = pool_query_with(pool, &request, &err);
    if (!result)
        fail_msg("%.200s: %s %u %s", sql, pool_code_name(err.code), err.server_errno, err.message);
    return result;
}

void run_as_text(struct pool *pool, const char *sql)
{
    pool_result_free(query_as_text(pool, sql, POOL_NO_ARGS));
}

void set_global(const char *assignment)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SET GLOBAL %s", assignment);
    run_as_text(open_url("MYPOOL_ADMIN_URL", ""), sql);
}

int set_up_statements(void **state)
{
    memset(pools, 0, sizeof pools);
    *state = open_pool("");
    return 0;
}

int tear_down_statements(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        if (pools[i])
            pool_end(pools[i], 5000, NULL);
    return 0;
}

int tear_down_server_globals(void **state)
{
    struct pool_error err;
    tear_down_statements(state);
    struct pool *admin = pool_create_url(getenv("MYPOOL_ADMIN_URL"), &err);
    pool_result_free(
        pool_query(admin, "SET GLOBAL max_prepared_stmt_count = DEFAULT", POOL_NO_ARGS, &err));
    pool_result_free(
        pool_query(admin, "SET GLOBAL max_allowed_packet = DEFAULT", POOL_NO_ARGS, &err));
    pool_end(admin, 5000, NULL);
    return err.code == POOL_OK ? 0 : -1;
}

/* ---- answers ---- */

int64_t first_int(struct pool_result *result)
{
    assert_true(pool_next(result));
    int64_t value = pool_get_int(result, 0);
    pool_result_free(result);
    return value;
}

int64_t int_of(struct pool *pool, const char *sql, struct pool_args args)
{
    return first_int(query(pool, sql, args));
}

int64_t status_of(struct pool *pool, const char *scope, const char *name)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT variable_value FROM information_schema.%s_status WHERE variable_name = '%s'",
             scope, name);
    return first_int(query_as_text(pool, sql, POOL_NO_ARGS));
}

int64_t prepares(struct pool *pool)
{
    return status_of(pool, "session", "Com_stmt_prepare");
}

int64_t questions(struct pool *pool)
{
    return status_of(pool, "session", "Questions");
}

int64_t thread_of(struct pool *pool)
{
    return first_int(query_as_text(pool, "SELECT CONNECTION_ID()", POOL_NO_ARGS));
}

struct pool_error failure_of(struct pool *pool, const struct pool_request *request,
                             enum pool_code code)
{
    struct pool_error err;
    struct pool_result *result = pool_query_with(pool, request, &err);
    if (result || err.code != code)
        fail_msg("%.200s: %s %u %s", request->sql ? request->sql : "NULL", pool_code_name(err.code),
                 err.server_errno, err.message);
    return err;
}

void assert_statement_refused(struct pool *pool, const char *sql, struct pool_args args,
                              const char *part_of_message)
{
    struct pool_request request = {.sql = sql, .args = args};
    struct pool_error err = failure_of(pool, &request, POOL_ERR_INVALID);
    assert_false(err.fatal);
    if (!strstr(err.message, part_of_message))
        fail_msg("\"%s\" lacks \"%s\"", err.message, part_of_message);
}

void assert_pool_works(struct pool *pool)
{
    assert_int_equal(int_of(pool, "SELECT ? + 1", POOL_ARGS(41)), 42);
}
