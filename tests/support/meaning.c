/*
 * Statements go as text, by the socket, so that a server which wants TLS (MySQL 9) is not asked for
 * it.
 */
#include "meaning.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

void put(struct text *text, const char *format, ...)
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

void clear(struct text *text)
{
    text->len = 0;
    text->data[0] = '\0';
}

struct pool *pool_of_one(const char *more)
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

bool runs(struct pool *pool, const char *sql, struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .text = true};
    struct pool_result *result = pool_query_with(pool, &request, err);
    pool_result_free(result);
    return result != NULL;
}

void must_run(struct pool *pool, const char *sql)
{
    struct pool_error err;
    if (!runs(pool, sql, &err))
        fail_msg("%s: %s", sql, err.message);
}

void put_rows(struct text *text, struct pool_result *result)
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

void put_table(struct text *text, struct pool *pool, const char *select)
{
    struct pool_error err;
    struct pool_request request = {.sql = select, .text = true};
    struct pool_result *result = pool_query_with(pool, &request, &err);
    if (!result)
        fail_msg("%s: %s", select, err.message);
    put_rows(text, result);
    pool_result_free(result);
}

/* ---- values ---- */

struct pool_value moment(enum pool_type type, unsigned microsecond, bool negative)
{
    struct pool_time time = {.type = type, .negative = negative};
    if (type != POOL_TYPE_TIME)
        time.year = 2024, time.month = 2, time.day = 29;
    if (type != POOL_TYPE_DATE)
        time.hour = 13, time.minute = 4, time.second = 5, time.microsecond = microsecond;
    return pool_time(time);
}
