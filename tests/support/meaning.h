/*
 * What the suites about the meaning of values share: a pool of one connection, values of
 * every type, and what a statement has done or answered as one text that can be compared.
 * Include cmocka.h first.
 */
#ifndef TESTS_MEANING_H
#define TESTS_MEANING_H

#include <mypool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text that grows to the end of its room and no further. */
struct text {
    size_t len;
    char data[131072];
};

__attribute__((format(printf, 2, 3))) static inline void put(struct text *text, const char *format,
                                                             ...)
{
    va_list args;
    va_start(args, format);
    size_t room = sizeof text->data - text->len;
    int len = vsnprintf(text->data + text->len, room, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= room)
        fail_msg("the text has no room for more");
    text->len += (size_t)len;
}

static inline void clear(struct text *text)
{
    text->len = 0;
    text->data[0] = '\0';
}

/* Its server takes what it can of a value that does not fit. */
static inline struct pool *pool_of_one(const char *more)
{
    static const char *const lenient[] = {"SET SESSION sql_mode = ''", NULL};
    char url[700];
    struct pool_error err;
    struct pool_options options = {0};
    snprintf(url, sizeof url, "%s&connectionLimit=1%s", getenv("MYPOOL_SOCKET_URL"), more);
    void *memory = NULL;
    if (!pool_options_from_url(url, &options, &memory, &err))
        fail_msg("%s", err.message);
    options.init_sql = lenient;
    struct pool *pool = pool_create(&options, &err);
    free(memory);
    if (!pool)
        fail_msg("%s", err.message);
    return pool;
}

/* Runs it as it is. False if the server refuses. */
static inline bool runs(struct pool *pool, const char *sql, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .flags = POOL_TEXT};
    struct pool_result *result = pool_query_with(pool, &request, err);
    pool_result_free(result);
    return result != NULL;
}

static inline void must_run(struct pool *pool, const char *sql)
{
    struct pool_error err;
    if (!runs(pool, sql, &err))
        fail_msg("%s: %s", sql, err.message);
}

static inline void put_rows(struct text *text, struct pool_result *result)
{
    unsigned columns = pool_column_count(result);
    while (columns && pool_next(result)) {
        put(text, "(");
        for (unsigned i = 0; i < columns; i++)
            put(text, "%s%s", i ? "," : "",
                pool_is_null(result, i) ? "NULL" : pool_get_text(result, i));
        put(text, ")");
    }
}

static inline void put_table(struct text *text, struct pool *pool, const char *select)
{
    struct pool_error err;
    struct pool_request request = {.sql = select, .flags = POOL_TEXT};
    struct pool_result *result = pool_query_with(pool, &request, &err);
    if (!result)
        fail_msg("%s: %s", select, err.message);
    put_rows(text, result);
    pool_result_free(result);
}

/* ---- values ---- */

static inline struct pool_value moment(enum pool_type type, unsigned microsecond, bool negative)
{
    struct pool_time time = {.type = type, .negative = negative};
    if (type != POOL_TYPE_TIME)
        time.year = 2024, time.month = 2, time.day = 29;
    if (type != POOL_TYPE_DATE)
        time.hour = 13, time.minute = 4, time.second = 5, time.microsecond = microsecond;
    return pool_time(time);
}

#endif
