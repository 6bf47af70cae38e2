/*
 * Tests of pool/sql/placeholders.c, pool/sql/give.c, pool/sql/readings.c and pool/sql/expand.c:
 * which value goes where, what lists become, and what is refused because sessions differ. No
 * server.
 *
 * The last tests read random expanded texts again: they must have the tokens of the template,
 * and a ? for each value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/expand.h"
#include "sql/literal.h"
#include "sql/placeholders.h"
#include "sql/inspect.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct pool_value three[] = {
    {.type = POOL_TYPE_INT, .as.i = 1},
    {.type = POOL_TYPE_INT, .as.i = 2},
    {.type = POOL_TYPE_INT, .as.i = 3},
};

/* The statement takes one value, a list of `count`. NULL if it is refused. */
static char *expand_list(const char *sql, size_t count, struct pool_error *err)
{
    struct pool__expanded expanded = {0};
    struct pool_value value = pool_list(three, count);
    if (strstr(sql, ":l"))
        value.name = "l";
    if (!pool__expand(sql, strlen(sql), (struct pool_args){&value, 1}, &expanded, err))
        return NULL;
    free(expanded.values);
    return expanded.sql;
}

static char *format_list(const char *sql, size_t count, struct pool_error *err)
{
    struct pool_value value = pool_list(three, count);
    if (strstr(sql, ":l"))
        value.name = "l";
    return pool_format(sql, (struct pool_args){&value, 1}, err);
}

/* A list of three becomes four placeholders, or three. */
static void assert_padded(const char *sql, bool padded)
{
    struct pool_error err = {0};
    char *text = expand_list(sql, 3, &err);
    if (!text)
        fail_msg("%s: %s", sql, err.message);
    if ((strstr(text, "?,?,?,?") != NULL) != padded || !strstr(text, "?,?,?"))
        fail_msg("%s became %s", sql, text);
    free(text);
}

static void lists_are_padded_as_elements_of_in(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const statements[] = {
        "SELECT 1 IN (?)", "x in(?)", "x NOT IN (?)", "x Not In\n\t(?)", "x IN/* ( */(?)",
        "x IN -- (\n (?)", "x IN # no (\n ( -- no )\n ? /* ) */ )", "x IN (1, ?, 5)", "x IN (?, 1)",
        "x IN (1, ?)", "x IN (f(1, 2), ?, (3))", "x IN ((SELECT 1), ?)", "(a, b) IN (?)",
        "x /*!50000 IN (?) */", "x IN /*!50000 (?) */", "x IN (/*!50000 ? */)", "x IN (1 /*!50000 , ? */)",
        "y IN (SELECT a FROM t WHERE x IN (?) AND z IN (4))", "x IN (1, y IN (2, 3), ?)",
        "x IN (1, y IN (2, ?), 3)", "x IN (`IN`, 'IN (', ?)", "'a' IN (\"b\", ?)", "IN (?)",
        "x IN (:l)", "x IN (1,:l,2)", "SELECT 1 IN (2); SELECT 1 IN (?)", "x = 'it\\'s' OR x IN (?)",
        "x = 'C:\\' OR x IN (?)", "x IN ('a\\'b', 'c\\'', ?)",
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(statements); i++)
        assert_padded(statements[i], true);
}

static void lists_elsewhere_take_exactly_their_values(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const statements[] = {
        "INSERT INTO t VALUES (?)", "CALL p(?)", "SELECT JSON_ARRAY(?)", "SELECT CONCAT_WS(',', ?)",
        "SELECT FIELD(x, ?)", "x IN ((?))", "(a, b) IN ((?), (1, 2, 3))", "x IN (f(?))", "x IN (-?)",
        "x IN (? + 1)", "x IN (? COLLATE utf8mb4_bin)", "x IN (SELECT ?)", "x IN (SELECT a, ?)",
        "x IN (SELECT a, ? FROM t)", "x IN (VALUES (1), (?))", "x IN (WITH y AS (SELECT 1) SELECT 1, ?)",
        "x IN (SELECT 1 UNION SELECT 2, ?)", "x IN ((SELECT a, ?))", "x IN /* a */ f(?)", "`IN` (?)",
        "'IN' (?)", "db.IN(?)", "db . in (?)", "@in (?)", "x IN ?", "x IN ? (1)", "x IN (1) (?)",
        "x IN (1), (?)", "PARTITION p VALUES IN (?)", "x INN (?)", "x IIN (?)", "x /*!50000 IN */ (?)",
        "x IN (1, ?", "x IN (1, ?; 3)", "LIMIT ?", "x IN (1 ?)", "x IN (? 1)", "ORDER BY FIELD(id,:l)",
        "IN IN (SELECT 1, ?)",
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(statements); i++)
        assert_padded(statements[i], false);
}

#define NO_ROWS "SELECT NULL FROM DUAL WHERE FALSE"

static void an_empty_list_leaves_in_without_rows_or_goes_with_its_comma(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct { const char *sql, *text; } cases[] = {
        {"x IN (?)", "x IN (" NO_ROWS ")"}, {"x NOT IN (:l)", "x NOT IN (" NO_ROWS ")"},
        {"x IN/*a*/( /*b*/ ? /*c*/ )", "x IN/*a*/( /*b*/ " NO_ROWS " /*c*/ )"},
        {"x IN (/*b*/?/*c*/)", "x IN (/*b*/ " NO_ROWS " /*c*/)"},
        {"x IN (?,1)", "x IN (1)"}, {"x IN (1,?)", "x IN (1)"}, {"x IN (1,?,2)", "x IN (1,2)"},
        {"x IN (?, 1, 2)", "x IN ( 1, 2)"}, {"x IN (1 /*a*/ , /*b*/ ? , 2)", "x IN (1 /*a*/  /*b*/  , 2)"},
        {"x IN (:l,:l)", "x IN (" NO_ROWS ")"}, {"x IN (:l,:l,1)", "x IN (1)"},
        {"x IN (1,:l,:l)", "x IN (1)"}, {"x IN (:l,1,:l)", "x IN (1)"}, {"x IN (:l,1,:l,2,:l)", "x IN (1,2)"},
        {"x IN (:l,y IN (1,:l),:l)", "x IN (y IN (1))"}, {"x IN (:l,y IN (:l))", "x IN (y IN (" NO_ROWS "))"},
        {"x IN (:l) OR y IN (:l,2)", "x IN (" NO_ROWS ") OR y IN (2)"},
        {"/*!50000 x IN (?) */", "/*!50000 x IN (" NO_ROWS ") */"},
        {"x = 'it\\'s' OR x IN (?)", "x = 'it\\'s' OR x IN (" NO_ROWS ")"},
    };
    /* clang-format on */
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pool_error err = {0};
        char *prepared = expand_list(cases[i].sql, 0, &err);
        char *text =
            strchr(cases[i].sql, '\\') ? strdup(cases[i].text) : format_list(cases[i].sql, 0, &err);
        if (!prepared || !text)
            fail_msg("%s: %s", cases[i].sql, err.message);
        if (strcmp(prepared, cases[i].text) != 0 || strcmp(text, cases[i].text) != 0)
            fail_msg("%s became %s and %s", cases[i].sql, prepared, text);
        free(prepared);
        free(text);
    }
}

static void assert_empty_refused(const char *sql, const char *part)
{
    struct pool_error err = {0};
    assert_null(expand_list(sql, 0, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    if (!strstr(err.message, part))
        fail_msg("%s: %s", sql, err.message);
    err.message[0] = '\0';
    assert_null(format_list(sql, 0, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    if (!strstr(err.message, part))
        fail_msg("%s: %s", sql, err.message);
}

static void an_empty_list_elsewhere_is_refused_by_its_placeholder(void **state)
{
    (void)state;
    assert_empty_refused("VALUES (?)",
                         "value 1 is an empty list, for the placeholder at byte 8, outside");
    assert_empty_refused("CALL p(:l)",
                         "value ':l' is an empty list, for the placeholder at byte 7, outside");
    assert_empty_refused("x IN (:l) OR f(:l)", "placeholder at byte 15, outside of IN (...)");
    assert_empty_refused("x IN ((?))", "outside of IN (...)");
    assert_empty_refused("x IN (SELECT ?)", "outside of IN (...)");
    assert_empty_refused("x IN (? + 1)", "outside of IN (...)");
    assert_empty_refused("x /*! IN */ (?)", "outside of IN (...)");
    assert_empty_refused("x IN (? /*! , 1 */)", "executable comment");
    assert_empty_refused("x IN (? , f(/*! 1 */))", "executable comment");
    assert_empty_refused("x IN (?, y IN (/*! 1, */ 2))", "executable comment");
}

/* ---- sessions that read quotes in different ways ---- */

static void assert_prepared_as(const char *sql, struct pool_args args, const char *text)
{
    struct pool__expanded expanded = {0};
    struct pool_error err = {0};
    bool ok = pool__expand(sql, strlen(sql), args, &expanded, &err);
    if (ok != (text != NULL))
        fail_msg("%s: %s", sql, ok ? "accepted" : err.message);
    if (ok)
        assert_string_equal(expanded.sql, text);
    else if (!strstr(err.message, "the SQL mode of the session decides"))
        fail_msg("%s: %s", sql, err.message);
    pool__expand_free(&expanded);
}

static void names_behind_a_backslash_need_one_possible_reading(void **state)
{
    (void)state;
    struct pool_args args = POOL_ARGS(POOL_NAMED("a", 1));
    assert_prepared_as("SELECT 'it\\'s :b', :a", args, "SELECT 'it\\'s :b', ?");
    assert_prepared_as("SELECT 'C:\\', :a", args, "SELECT 'C:\\', ?");
    assert_prepared_as("SELECT \"C:\\\", :a", args, "SELECT \"C:\\\", ?");
    assert_prepared_as("SELECT 'a\\'b', 'c\\'d', :a", args, "SELECT 'a\\'b', 'c\\'d', ?");
    assert_prepared_as("SELECT 'a\\' :a', 'c\\'d', :a", args, NULL);
    assert_prepared_as("SELECT 'a\\', :a, \\'d'", args, NULL);
    assert_prepared_as("SELECT \"a\\\", :a, \\\"d\"", args, NULL);
    assert_prepared_as("SELECT 'a\\' IN (:a)', 'b\\'', :a", args, NULL);
    struct pool_args in = POOL_ARGS(POOL_NAMED("a", pool_list(three, 3)));
    assert_prepared_as("1 IN ('a\\'b', 'c\\'d', :a)", in, "1 IN ('a\\'b', 'c\\'d', ?,?,?,?)");
    assert_prepared_as("1 IN ('a\\' f(', 'c\\'d', :a)", in, NULL);
    struct pool_args none = POOL_ARGS(POOL_NAMED("a", pool_list(three, 0)));
    assert_prepared_as("1 IN ('it\\'s', :a)", none, "1 IN ('it\\'s' )");
    assert_prepared_as("1 IN ('a\\'b', 'c\\'d', :a)", none, NULL);
}

static void assert_formatted_as(const char *sql, enum pool__quotes quotes, const char *value,
                                const char *text)
{
    struct pool_error err = {0};
    char *got = NULL;
    size_t len;
    bool ok = pool__literal_format(sql, strlen(sql), POOL_ARGS(value), quotes, &got, &len, &err);
    if (ok != (text != NULL))
        fail_msg("%d: %s: %s", quotes, sql, ok ? got : err.message);
    if (ok)
        assert_string_equal(got, text);
    free(got);
}

static void text_for_a_known_session_is_read_in_its_way_alone(void **state)
{
    (void)state;
    assert_formatted_as("SELECT 'it\\'s', ?", POOL__QUOTES_ESCAPED, "a", "SELECT 'it\\'s', 'a'");
    assert_formatted_as("SELECT 'it\\'s', ?", POOL__QUOTES_ANSI, "a", "SELECT 'it\\'s', 'a'");
    assert_formatted_as("SELECT 'it\\'s', ?", POOL__QUOTES_BARE, "a", NULL);
    assert_formatted_as("SELECT 'C:\\', ?", POOL__QUOTES_BARE, "a", "SELECT 'C:\\', 'a'");
    assert_formatted_as("SELECT 'C:\\', ?", POOL__QUOTES_ESCAPED, "a", NULL);
    assert_formatted_as("SELECT \"C:\\\", ?", POOL__QUOTES_ANSI, "a", "SELECT \"C:\\\", 'a'");
    assert_formatted_as("SELECT \"C:\\\", ?", POOL__QUOTES_ESCAPED, "a", NULL);
    assert_formatted_as("SELECT 'a\\'?', 'c\\'d'", POOL__QUOTES_BARE, "x",
                        "SELECT 'a\\' 'x' ', 'c\\'d'");
    assert_formatted_as("SELECT 'a\\'?', 'c\\'d'", POOL__QUOTES_ESCAPED, "x", NULL);
}

static void text_for_any_session_is_read_in_every_way(void **state)
{
    (void)state;
    assert_formatted_as("SELECT ?, 'it\\'s'", POOL__QUOTES_UNKNOWN, "a", "SELECT 'a', 'it\\'s'");
    assert_formatted_as("SELECT 'a\\'b\\'', ?", POOL__QUOTES_UNKNOWN, "a",
                        "SELECT 'a\\'b\\'', 'a'");
    static const char *const refused[] = {
        "SELECT 'it\\'s', ?",         "SELECT \"a\\\"\", ?", "SELECT '\\\\\\'', ?",
        "SELECT 'a\\'?', 'c\\'d', 1", "SELECT 'C:\\', ?",    "SELECT \"C:\\\", ?",
        "SELECT 'a\\'', ?, 'b\\''",
    };
    for (size_t i = 0; i < COUNT(refused); i++)
        assert_formatted_as(refused[i], POOL__QUOTES_UNKNOWN, "a", NULL);
    assert_formatted_as("SELECT \"a\\\"\", ?", POOL__QUOTES_BARE, "a", NULL);
}

static void a_backslash_in_a_value_is_written_as_the_session_reads_it(void **state)
{
    (void)state;
    assert_formatted_as("?", POOL__QUOTES_ESCAPED, "a\\'b\\", "'a\\\\''b\\\\'");
    assert_formatted_as("?", POOL__QUOTES_ANSI, "\\", "'\\\\'");
    assert_formatted_as("?", POOL__QUOTES_BARE, "a\\'b\\", "'a\\''b\\'");
    assert_formatted_as("?", POOL__QUOTES_UNKNOWN, "a\\", "_utf8mb4 X'615c'");
    assert_formatted_as("/*! ? */", POOL__QUOTES_ESCAPED, "\\", "/*! _utf8mb4 X'5c' */");
    assert_formatted_as("?", POOL__QUOTES_ESCAPED, "\xff\\", "X'ff5c'");
    struct pool_value nul = pool_text_n("a\0\\", 3);
    char *escaped = NULL, *bare = NULL;
    size_t len;
    assert_true(
        pool__literal_format("?", 1, POOL_ARGS(nul), POOL__QUOTES_ESCAPED, &escaped, &len, NULL));
    assert_true(pool__literal_format("?", 1, POOL_ARGS(nul), POOL__QUOTES_BARE, &bare, &len, NULL));
    assert_string_equal(escaped, "'a\\0\\\\'");
    assert_string_equal(bare, "_utf8mb4 X'61005c'");
    free(escaped);
    free(bare);
}

/* ---- the property: an expanded text reads as it should ---- */

static void two_placeholders_that_touch_stay_two(void **state)
{
    (void)state;
    struct pool_args args = POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("b", 2));
    assert_prepared_as(":a:b", args, "? ?");
    assert_prepared_as("x=:a:b:a", args, "x=? ? ?");
    assert_prepared_as(":a+:b", args, "? +?");
    assert_prepared_as("IN(:a)=:b", args, "IN(?)=?");
    assert_prepared_as("5--:a,:b", args, "5--?,?");
    assert_prepared_as(":a:=:b::c", args, "? :=? ::c");
    assert_prepared_as(":b`x`/**/:a'y':b", args, "? `x`/**/ ? 'y':b");
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static const char *const parts[] = {
    ":a", ":a", ":b",       ":c",       ":d",    ":",    "::",     ":=",    "?",      "@",
    "a",  "1",  " IN (",    "IN(",      "(",     ")",    ")",      ",",     ",",      " ",
    " ",  "\n", "'x'",      "'it\\'s'", "\"y\"", "`:a`", "-",      "--",    "-- c\n", "/*:a*/",
    "/",  "*",  "/*!50000", "*/",       ".",     ";",    "SELECT", " NOT ", "$",      "=",
};

/* The kinds and texts of the tokens of one reading; a placeholder is a ?. */
struct reading {
    struct pool__token at[512];
    size_t count;
    size_t placeholders;
};

static bool read_tokens(const char *sql, struct reading *reading)
{
    struct pool__lexer lexer;
    struct pool__token token;
    *reading = (struct reading){.count = 0};
    if (!pool__lexer_init_for(&lexer, sql, strlen(sql), POOL__QUOTES_ESCAPED, NULL))
        return false;
    for (;;) {
        if (!pool__lexer_next(&lexer, &token, NULL) || reading->count == COUNT(reading->at))
            return false;
        if (token.kind == POOL__TOKEN_END)
            return true;
        reading->at[reading->count++] = token;
        reading->placeholders += token.kind == POOL__TOKEN_PLACEHOLDER;
    }
}

static bool is_text(const struct pool__token *token, const char *text)
{
    return token->len == strlen(text) && memcmp(token->text, text, token->len) == 0;
}

/* So many ?, with commas between them. */
static bool take_list(const struct reading *after, size_t *at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && (*at == after->count || !is_text(&after->at[(*at)++], ",")))
            return false;
        if (*at == after->count || after->at[(*at)++].kind != POOL__TOKEN_PLACEHOLDER)
            return false;
    }
    return true;
}

/* How many values the placeholder takes: the lists :b to :d have one to three, and the last is
 * padded in IN. */
static size_t width_of(const struct pool__placeholder *place, const char *sql)
{
    static const size_t lengths[] = {1, 1, 2, 3};
    size_t length = lengths[sql[place->start + 1] - 'a'];
    return length == 3 && place->list != POOL__NOWHERE ? 4 : length;
}

static bool same_tokens(const struct reading *before, const struct reading *after,
                        const struct pool__placeholders *places, const char *sql)
{
    size_t at = 0, place = 0;
    for (size_t i = 0; i < before->count; i++) {
        const struct pool__token *want = &before->at[i];
        if (want->kind == POOL__TOKEN_PLACEHOLDER) {
            if (!take_list(after, &at, width_of(&places->places[place++], sql)))
                return false;
            continue;
        }
        if (at == after->count || after->at[at].kind != want->kind ||
            after->at[at].len != want->len ||
            memcmp(after->at[at].text, want->text, want->len) != 0)
            return false;
        at++;
    }
    return at == after->count;
}

/* For a session that knows escapes; the others may have found a way to read it. */
static bool is_possible(const char *sql)
{
    static struct reading reading;
    return read_tokens(sql, &reading);
}

static bool expanded_well(const char *sql, const struct pool__expanded *expanded)
{
    static struct reading before, after;
    struct pool__placeholders places;
    bool ok = pool__placeholders_find(&places, sql, strlen(sql), POOL__QUOTES_ESCAPED,
                                      POOL__DEPTH_LISTS, NULL) &&
              read_tokens(sql, &before) && read_tokens(expanded->sql, &after) &&
              after.placeholders == expanded->count && same_tokens(&before, &after, &places, sql);
    pool__placeholders_free(&places);
    return ok;
}

/* Only names, and each of them somewhere, as every value needs a place. */
static void make_named_statement(char *sql, uint32_t *seed)
{
    char *end = sql;
    for (uint32_t n = 1 + next_random(seed) % 24; n > 0; n--)
        end = stpcpy(end, parts[next_random(seed) % COUNT(parts)]);
    stpcpy(end, "\n,:a\n=:b\n=:c\n=:d");
}

static void expanded_texts_have_the_tokens_of_their_template(void **state)
{
    (void)state;
    struct pool_args args =
        POOL_ARGS(POOL_NAMED("a", 7), pool_named("b", pool_list(three, 1)),
                  pool_named("c", pool_list(three, 2)), pool_named("d", pool_list(three, 3)));
    size_t checked = 0;
    for (uint32_t round = 1; round <= 60000; round++) {
        struct pool__expanded expanded;
        uint32_t seed = round * 2654435761u;
        char sql[512];
        make_named_statement(sql, &seed);
        if (!is_possible(sql) || !pool__expand(sql, strlen(sql), args, &expanded, NULL))
            continue;
        if (!expanded_well(sql, &expanded))
            fail_msg("{%s} became {%s}", sql, expanded.sql);
        pool__expand_free(&expanded);
        checked++;
    }
    assert_true(checked > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_padded_as_elements_of_in),
        cmocka_unit_test(lists_elsewhere_take_exactly_their_values),
        cmocka_unit_test(an_empty_list_leaves_in_without_rows_or_goes_with_its_comma),
        cmocka_unit_test(an_empty_list_elsewhere_is_refused_by_its_placeholder),
        cmocka_unit_test(names_behind_a_backslash_need_one_possible_reading),
        cmocka_unit_test(text_for_a_known_session_is_read_in_its_way_alone),
        cmocka_unit_test(text_for_any_session_is_read_in_every_way),
        cmocka_unit_test(a_backslash_in_a_value_is_written_as_the_session_reads_it),
        cmocka_unit_test(two_placeholders_that_touch_stay_two),
        cmocka_unit_test(expanded_texts_have_the_tokens_of_their_template),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
