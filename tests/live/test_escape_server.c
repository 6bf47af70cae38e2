/*
 * Literals, judged by the server: whatever pool_format, pool_escape and pool_escape_id
 * write must mean the bytes that went in, with backslash escapes and without.
 *
 * The bytes are random, but the same in every run: a failure can be repeated. Half of them
 * come from a small alphabet in which every character has a meaning in SQL.
 */
#include "mypool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pools.h"
#include "suite.h"

#define ROUNDS 2000
#define LENGTH_MAX 40

/* ---- pools: one per mode, for SET would cost a reset in every round ---- */

static struct pool *open_pool(const char *sql_mode)
{
    char set[100];
    const char *const init_sql[] = {set, NULL};
    snprintf(set, sizeof set, "SET sql_mode = '%s'", sql_mode);
    return pool_of(
        "MYPOOL_URL",
        (struct pool_options){.connection_limit = 1, .init_sql = init_sql, .no_prepare = true});
}

static int set_up(void **state)
{
    static struct pool *pools[3];
    pools[0] = open_pool("");
    pools[1] = open_pool("NO_BACKSLASH_ESCAPES");
    pools[2] = open_pool("ANSI");
    *state = pools;
    return 0;
}

static int tear_down(void **state)
{
    struct pool **pools = *state;
    bool ok = true;
    for (int i = 0; i < 3; i++)
        ok = pool_end(pools[i], 5000, NULL) && ok;
    return ok ? 0 : -1;
}

/* At its row. The statement has no values, so it is sent as it stands. */
static struct pool_result *ask(struct pool *pool, const char *sql)
{
    struct pool_error err;
    struct pool_result *row = pool_query(pool, sql, POOL_NO_ARGS, &err);
    if (!row)
        fail_msg("%s: %s %u %s", sql, pool_code_name(err.code), err.server_errno, err.message);
    if (!pool_next(row))
        fail_msg("%s: no row", sql);
    return row;
}

static void assert_column(struct pool_result *row, unsigned column, const char *sql,
                          const void *expected, size_t len)
{
    size_t got;
    const void *data = pool_get_bytes(row, column, &got);
    if (!data || got != len || memcmp(data, expected, len) != 0)
        fail_msg("%s: column %u has %zu bytes instead of %zu, or others", sql, column, got, len);
}

/* ---- random values ---- */

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static size_t random_bytes(uint64_t *seed, char *to)
{
    static const char alphabet[] = "'\"\\`%_;-#/*!?:a0 \n\r\t\x1a\0xX";
    size_t len = next_random(seed) % LENGTH_MAX;
    bool tricky = next_random(seed) % 2;
    for (size_t i = 0; i < len; i++) {
        uint64_t r = next_random(seed);
        to[i] = tricky ? alphabet[r % (sizeof alphabet - 1)] : (char)r;
    }
    return len;
}

/* Characters of one to four bytes, tricky ones among them. */
static size_t random_text(uint64_t *seed, char *to)
{
    /* clang-format off */
    static const char *const characters[] = {
        "'",  "\\", "\"", "a",        "0",            "\xc3\xa9",         "\xc2\xbf",
        "--", "/*", "*/", "\xe2\x82\xac", "\xef\xbf\xbd", "\xf0\x9f\x90\xac", "%",
        "?",  ":a", "`",  "\n",       "\xe8\xa1\xa8", "\xea\xb0\x80"};
    /* clang-format on */
    size_t len = 0, count = next_random(seed) % (LENGTH_MAX / 4);
    for (size_t i = 0; i < count; i++) {
        const char *c = characters[next_random(seed) % (sizeof characters / sizeof *characters)];
        memcpy(to + len, c, strlen(c));
        len += strlen(c);
    }
    if (next_random(seed) % 4 == 0)
        to[len++] = '\0';
    return len;
}

static char *format(const char *sql, struct pool_args args)
{
    struct pool_error err;
    char *text = pool_format(sql, args, &err);
    if (!text)
        fail_msg("%s: %s", sql, err.message);
    return text;
}

/* ---- tests ---- */

static void assert_bytes_survive(struct pool *pool, uint64_t seed)
{
    for (int round = 0; round < ROUNDS; round++) {
        char data[LENGTH_MAX], other[LENGTH_MAX];
        size_t len = random_bytes(&seed, data), other_len = random_bytes(&seed, other);
        char *sql = format("SELECT ?, 'between', ?",
                           POOL_ARGS(pool_bytes(data, len), pool_bytes(other, other_len)));
        struct pool_result *row = ask(pool, sql);
        assert_int_equal(pool_column_count(row), 3);
        assert_column(row, 0, sql, data, len);
        assert_column(row, 1, sql, "between", 7);
        assert_column(row, 2, sql, other, other_len);
        pool_result_free(row);
        free(sql);
    }
}

static void bytes_survive_with_backslash_escapes(void **state)
{
    assert_bytes_survive(((struct pool **)*state)[0], 1);
}

static void bytes_survive_without_backslash_escapes(void **state)
{
    assert_bytes_survive(((struct pool **)*state)[1], 2);
}

static void bytes_survive_in_ansi_mode(void **state)
{
    assert_bytes_survive(((struct pool **)*state)[2], 3);
}

static void assert_texts_survive(struct pool *pool, uint64_t seed)
{
    for (int round = 0; round < ROUNDS; round++) {
        char data[LENGTH_MAX * 2], other[LENGTH_MAX * 2];
        size_t len = random_text(&seed, data), other_len = random_text(&seed, other);
        char *sql = format("SELECT ?, 'between', ?, LENGTH(?)",
                           POOL_ARGS(pool_text_n(data, len), pool_text_n(other, other_len),
                                     pool_text_n(data, len)));
        struct pool_result *row = ask(pool, sql);
        assert_int_equal(pool_column_type(row, 0), POOL_TYPE_TEXT);
        assert_column(row, 0, sql, data, len);
        assert_column(row, 1, sql, "between", 7);
        assert_column(row, 2, sql, other, other_len);
        assert_int_equal(pool_get_uint(row, 3), len);
        pool_result_free(row);
        free(sql);
    }
}

static void texts_survive_with_backslash_escapes(void **state)
{
    assert_texts_survive(((struct pool **)*state)[0], 4);
}

static void texts_survive_without_backslash_escapes(void **state)
{
    assert_texts_survive(((struct pool **)*state)[1], 5);
}

static void texts_survive_in_ansi_mode(void **state)
{
    assert_texts_survive(((struct pool **)*state)[2], 6);
}

/* Not valid as UTF-8 most of the time: the server sees bytes then. */
static void texts_of_any_bytes_survive_in_every_mode(void **state)
{
    struct pool **pools = *state;
    uint64_t seed = 7;
    for (int round = 0; round < ROUNDS; round++) {
        char data[LENGTH_MAX];
        size_t len = random_bytes(&seed, data);
        char *sql =
            format("SELECT HEX(?), ?", POOL_ARGS(pool_text_n(data, len), pool_bytes(data, len)));
        struct pool_result *row = ask(pools[round % 3], sql);
        char hex[2 * LENGTH_MAX + 1] = "";
        for (size_t i = 0; i < len; i++)
            snprintf(hex + 2 * i, 3, "%02X", (unsigned char)data[i]);
        assert_column(row, 0, sql, hex, strlen(hex));
        assert_column(row, 1, sql, data, len);
        pool_result_free(row);
        free(sql);
    }
}

static void escaped_texts_survive_in_every_mode(void **state)
{
    struct pool **pools = *state;
    uint64_t seed = 8;
    for (int round = 0; round < ROUNDS; round++) {
        char data[LENGTH_MAX * 2], sql[1000];
        size_t len = random_text(&seed, data);
        char *literal = pool_escape(data, len);
        snprintf(sql, sizeof sql, "SELECT %s, 'after'", literal);
        struct pool_result *row = ask(pools[round % 3], sql);
        assert_column(row, 0, sql, data, len);
        assert_column(row, 1, sql, "after", 5);
        pool_result_free(row);
        free(literal);
    }
}

/* Names have no characters of four bytes, nor blanks at their ends: the server's rules. */
static void escaped_names_survive_in_every_mode(void **state)
{
    struct pool **pools = *state;
    uint64_t seed = 9;
    for (int round = 0; round < ROUNDS; round++) {
        char name[LENGTH_MAX * 2 + 3] = ".", sql[1000];
        size_t len = random_text(&seed, name + 1);
        name[1 + len] = '\0';
        strcpy(name + strcspn(name, "\xf0"), ".");
        char *quoted = pool_escape_id(name);
        snprintf(sql, sizeof sql, "SELECT 1 AS %s, 'after'", quoted);
        struct pool_result *row = ask(pools[round % 3], sql);
        if (pool_column_count(row) != 2 || strcmp(pool_column_name(row, 0), name) != 0)
            fail_msg("%s: column '%s'", sql, pool_column_name(row, 0));
        pool_result_free(row);
        free(quoted);
    }
}

static void numbers_survive(void **state)
{
    struct pool **pools = *state;
    uint64_t seed = 10;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t bits = next_random(&seed) << 33 ^ next_random(&seed) << 11 ^ next_random(&seed);
        int64_t number;
        double real;
        memcpy(&number, &bits, sizeof number);
        memcpy(&real, &bits, sizeof real);
        if (!(real - real == 0)) /* infinite or not a number */
            real = 0.1;
        char *sql = format("SELECT -?, 1-?, ?+0, ?", POOL_ARGS(-1, -1, number, real));
        struct pool_result *row = ask(pools[round % 3], sql);
        assert_int_equal(pool_get_int(row, 0), 1);
        assert_int_equal(pool_get_int(row, 1), 2);
        assert_true(pool_get_int(row, 2) == number);
        if (pool_get_double(row, 3) != real)
            fail_msg("%s: %.17g", sql, pool_get_double(row, 3));
        pool_result_free(row);
        free(sql);
    }
}

/* The same statement, its values written into it and sent apart. */
static void formatted_and_prepared_statements_agree(void **state)
{
    struct pool **pools = *state;
    struct pool_error err;
    struct pool *prepared = pool_create_url(getenv("MYPOOL_URL"), &err);
    uint64_t seed = 11;
    for (int round = 0; round < ROUNDS; round++) {
        char data[LENGTH_MAX * 2];
        size_t len = random_text(&seed, data), got;
        const char *sql = "SELECT CONCAT(?, '|', /* ? */ ?), ? = ?";
        struct pool_value text = pool_text_n(data, len);
        struct pool_args args = POOL_ARGS(text, "x", text, text);
        char *formatted = format(sql, args);
        struct pool_result *there = ask(pools[round % 3], formatted);
        struct pool_result *here = pool_query(prepared, sql, args, &err);
        assert_true(pool_next(here));
        const void *bytes = pool_get_bytes(here, 0, &got);
        assert_column(there, 0, formatted, bytes, got);
        assert_int_equal(pool_get_int(here, 1), pool_get_int(there, 1));
        pool_result_free(here);
        pool_result_free(there);
        free(formatted);
    }
    assert_true(pool_end(prepared, 5000, &err));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_survive_with_backslash_escapes),
        cmocka_unit_test(bytes_survive_without_backslash_escapes),
        cmocka_unit_test(bytes_survive_in_ansi_mode),
        cmocka_unit_test(texts_survive_with_backslash_escapes),
        cmocka_unit_test(texts_survive_without_backslash_escapes),
        cmocka_unit_test(texts_survive_in_ansi_mode),
        cmocka_unit_test(texts_of_any_bytes_survive_in_every_mode),
        cmocka_unit_test(escaped_texts_survive_in_every_mode),
        cmocka_unit_test(escaped_names_survive_in_every_mode),
        cmocka_unit_test(numbers_survive),
        cmocka_unit_test(formatted_and_prepared_statements_agree),
    };
    return server_suite_main_with(argc, argv, tests, set_up, tear_down);
}
