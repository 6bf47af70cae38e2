/*
 * pool_format, checked against a second, independent tokenizer, written here
 * for the purpose, on random statements and hostile values: whatever the server's reading
 * of backslashes and executable comments, the formatted text must have the tokens of the
 * template, and each value must come back out of exactly one literal. No server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "inspected.h"
#include "sql/expand.h"
#include "sql/inspect.h"
#include "sql/literal.h"
#include "sql/placeholders.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- the property: a second tokenizer agrees ---- */

/* One reading of the text: how a server with these settings sees it. */
struct mode {
    bool no_backslash_escapes;
    bool ansi_quotes;
    bool skips_executable_comments;
};

/* 's' string (content decoded), 'w' word, '?' placeholder, 'u' unterminated rest, or the
 * sign itself. */
struct piece {
    char kind;
    char text[256];
    size_t len;
};

struct pieces {
    struct piece at[256];
    size_t count;
};

static const char *read_string(const char *s, const char *end, struct mode mode,
                               struct piece *piece)
{
    char quote = *s++;
    bool escapes =
        !mode.no_backslash_escapes && quote != '`' && !(quote == '"' && mode.ansi_quotes);
    piece->kind = quote == '\'' ? 's' : quote;
    while (s < end) {
        if (*s == '\\' && escapes && s + 1 < end) {
            s++;
            if (*s == '0') {
                piece->text[piece->len++] = '\0';
                s++;
                continue;
            }
        } else if (*s == quote) {
            if (s + 1 >= end || s[1] != quote)
                return s + 1;
            s++;
        }
        piece->text[piece->len++] = *s++;
    }
    piece->kind = 'u';
    return end;
}

/* Behind the comment at `s`, or NULL if there is none. */
static const char *after_comment(const char *s, const char *end)
{
    const char *stop = NULL;
    if (*s == '#' || (strncmp(s, "--", 2) == 0 && (s + 2 >= end || isspace((unsigned char)s[2]))))
        stop = strchr(s, '\n');
    else if (strncmp(s, "/*", 2) == 0)
        return (stop = strstr(s + 2, "*/")) ? stop + 2 : end;
    else
        return NULL;
    return stop ? stop + 1 : end;
}

static const char *read_piece(const char *s, const char *end, struct mode mode, struct piece *piece)
{
    if (*s == '\'' || *s == '"' || *s == '`')
        return read_string(s, end, mode, piece);
    piece->kind = *s;
    if (!isalnum((unsigned char)*s) && *s != '_')
        return s + 1;
    piece->kind = 'w';
    while (s < end && (isalnum((unsigned char)*s) || *s == '_'))
        piece->text[piece->len++] = *s++;
    return s;
}

static void read_pieces(const char *s, struct mode mode, struct pieces *pieces)
{
    const char *end = s + strlen(s), *after;
    bool inside = false;
    pieces->count = 0;
    while (s < end) {
        if (isspace((unsigned char)*s)) {
            s++;
        } else if (!mode.skips_executable_comments && strncmp(s, "/*!", 3) == 0) {
            inside = true;
            s += 3;
        } else if (inside && strncmp(s, "*/", 2) == 0) {
            inside = false;
            s += 2;
        } else if ((after = after_comment(s, end))) {
            s = after;
        } else {
            struct piece *piece = &pieces->at[pieces->count++];
            memset(piece, 0, sizeof *piece);
            s = read_piece(s, end, mode, piece);
        }
    }
}

static size_t from_hex(const char *hex, size_t len, char *to)
{
    for (size_t i = 0; i + 1 < len; i += 2) {
        char pair[3] = {hex[i], hex[i + 1], '\0'};
        to[i / 2] = (char)strtoul(pair, NULL, 16);
    }
    return len / 2;
}

static bool is_word(const struct piece *piece, const char *word)
{
    return piece->kind == 'w' && strcmp(piece->text, word) == 0;
}

/* Takes the pieces of one literal and compares what they mean with the value. */
static bool take_text(const struct pieces *pieces, size_t *at, const struct pool_value *value)
{
    const struct piece *piece = &pieces->at[*at];
    char text[256];
    size_t len = piece->len;
    memcpy(text, piece->text, len);
    bool introducer = is_word(piece, "_utf8mb4");
    piece += introducer;
    if (introducer || is_word(piece, "X")) {
        piece += 1;
        len = from_hex(piece->text, piece->len, text);
    }
    *at = (size_t)(piece - pieces->at) + 1;
    return piece->kind == 's' && len == value->as.bytes.len &&
           memcmp(text, value->as.bytes.data, len) == 0;
}

static bool take_literal(const struct pieces *pieces, size_t *at, const struct pool_value *value)
{
    char number[32];
    switch ((int)value->type) {
    case POOL_TYPE_NULL: return is_word(&pieces->at[(*at)++], "NULL");
    case POOL_TYPE_INT:
        if (value->as.i < 0 && pieces->at[(*at)++].kind != '-')
            return false;
        snprintf(number, sizeof number, "%llu", (unsigned long long)llabs(value->as.i));
        return is_word(&pieces->at[(*at)++], number);
    case POOL_TYPE_LIST:
        for (size_t i = 0; i < value->as.list.count; i++)
            if ((i > 0 && pieces->at[(*at)++].kind != ',') ||
                !take_literal(pieces, at, &value->as.list.values[i]))
                return false;
        return true;
    default: return take_text(pieces, at, value);
    }
}

/* Where a reading skips a placeholder, its value is skipped, too: in the order of the
 * text, `skipped` values belong to comments. The pieces tell by their markers. */
static bool same_structure(const struct pieces *template, const struct pieces *output,
                           const struct pool_value *const *values)
{
    size_t at = 0;
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *want = &template->at[i], *got = &output->at[at];
        if (want->kind == '?') {
            if (!take_literal(output, &at, *values++))
                return false;
            continue;
        }
        if (at >= output->count || want->kind != got->kind || want->len != got->len ||
            memcmp(want->text, got->text, want->len) != 0)
            return false;
        at++;
    }
    return at == output->count;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static struct pool_value random_text(uint32_t *seed, char *text)
{
    static const char *const parts[] = {"'",    "\"", "\\", "`",   "*/", "/*",      "-- ",
                                        "#",    ";",  "?",  "\n",  "a",  " OR 1=1", "\xED\x95\x9C",
                                        "\xBF", "%",  ":x", "\x1A"};
    size_t len = 0;
    for (uint32_t n = next_random(seed) % 5; n > 0; n--) {
        const char *part = parts[next_random(seed) % COUNT(parts)];
        memcpy(text + len, part, strlen(part));
        len += strlen(part);
        if (next_random(seed) % 16 == 0)
            text[len++] = '\0';
    }
    return next_random(seed) % 4 ? pool_text_n(text, len) : pool_bytes(text, len);
}

struct random_values {
    char texts[64][64];
    struct pool_value values[64]; /* the first half are arguments, the rest list members */
};

static void make_values(struct random_values *random, uint32_t *seed)
{
    for (size_t i = 0; i < 64; i++) {
        uint32_t kind = next_random(seed) % 8;
        struct pool_value value = random_text(seed, random->texts[i]);
        if (kind == 0)
            value = pool_null();
        else if (kind == 1)
            value = pool_int((int)(next_random(seed) % 2000) - 1000);
        else if (kind == 2 && i < 32)
            value = pool_list(&random->values[32 + i % 16], 1 + i % 7);
        random->values[i] = value;
    }
}

/* The number of placeholders as that reading counts them, or SIZE_MAX if it is none, or if
 * they are named. */
static size_t count_placeholders(const char *sql, enum pool__quotes quotes)
{
    struct pool__placeholders places;
    bool ok =
        pool__placeholders_find(&places, sql, strlen(sql), quotes, POOL__DEPTH_PLACEHOLDERS, NULL);
    size_t count = ok && !places.named ? places.count : SIZE_MAX;
    pool__placeholders_free(&places);
    return count;
}

static void make_statement(char *sql, uint32_t *seed)
{
    static const char *const parts[] = {
        "?",     "?",          "?",     "?",    " ",      " ",         ",",       "(",
        ")",     "-",          "--",    "-- ",  "\n",     "a",         "1",       "@",
        "/",     "*",          "'b'",   "''",   "'c''d'", "'\\\\'",    "'e\\'f'", "'\\\"'",
        "\"?\"", "\"g\\\"h\"", "\"'\"", "`i?`", "`j\\`",  "/* ? ' */", "# '\n",   "/*!",
        "/*!",   "*/",         "'*/'",  ";",    "_x",     "N",         ":",       "'"};
    char *end = sql;
    for (uint32_t n = 1 + next_random(seed) % 20; n > 0; n--)
        end = stpcpy(end, parts[next_random(seed) % COUNT(parts)]);
}

/* NULL if it is refused. */
static char *format_for(enum pool__quotes quotes, const char *sql, const struct pool_value *values,
                        size_t count)
{
    char *output = NULL;
    size_t len;
    pool__literal_format(sql, strlen(sql), (struct pool_args){values, count}, quotes, &output, &len,
                         NULL);
    return output;
}

/* Which values a reading sees: in *ret_seen those of its ? in order, without those ? that have
 * stayed, which become ! in the template. What has stayed is found by writing markers: word N
 * for value N. */
static bool values_seen(struct pieces *template, const char *sql, struct mode mode,
                        enum pool__quotes quotes, const struct pool_value *values, size_t count,
                        const struct pool_value **ret_seen)
{
    struct pool_value markers[32];
    for (size_t i = 0; i < count; i++)
        markers[i] = pool_int((int64_t)(7000000 + i));
    char *marked = format_for(quotes, sql, markers, count);
    static struct pieces pieces;
    read_pieces(marked, mode, &pieces);
    free(marked);
    for (size_t i = 0; i < template->count && template->count == pieces.count; i++) {
        struct piece *piece = &template->at[i];
        if (piece->kind != '?')
            continue;
        unsigned long number = strtoul(pieces.at[i].text, NULL, 10);
        if (pieces.at[i].kind == 'w' && number >= 7000000 && number < 7000000 + count)
            *ret_seen++ = &values[number - 7000000];
        else
            piece->kind = '!';
    }
    return template->count == pieces.count;
}

static void check_reading(const char *sql, const char *output, struct mode mode,
                          enum pool__quotes quotes, const struct pool_value *values, size_t count)
{
    static struct pieces before, after;
    const struct pool_value *seen[256] = {0};
    read_pieces(sql, mode, &before);
    read_pieces(output, mode, &after);
    bool same = values_seen(&before, sql, mode, quotes, values, count, seen);
    for (size_t i = 0; i < after.count; i++)
        if (after.at[i].kind == '?')
            after.at[i].kind = '!';
    if (!same || !same_structure(&before, &after, seen))
        fail_msg("mode %d%d%d: {%s} became {%s}", mode.no_backslash_escapes, mode.ansi_quotes,
                 mode.skips_executable_comments, sql, output);
}

static bool is_read_so(struct mode mode, enum pool__quotes quotes)
{
    switch (quotes) {
    case POOL__QUOTES_UNKNOWN: return true;
    case POOL__QUOTES_ESCAPED: return !mode.no_backslash_escapes && !mode.ansi_quotes;
    case POOL__QUOTES_ANSI: return !mode.no_backslash_escapes && mode.ansi_quotes;
    case POOL__QUOTES_BARE: return mode.no_backslash_escapes;
    }
    return false;
}

/* Texts written for a session of this kind must be read so by such a session. */
static size_t check_random_statements(enum pool__quotes quotes, uint32_t rounds)
{
    static struct random_values random;
    char sql[512];
    size_t checked = 0;
    for (uint32_t round = 1; round <= rounds; round++) {
        uint32_t seed = round * 2654435761u;
        make_statement(sql, &seed);
        size_t count = count_placeholders(sql, quotes);
        if (count == SIZE_MAX || count == 0 || count > 31)
            continue;
        make_values(&random, &seed);
        char *output = format_for(quotes, sql, random.values, count);
        if (!output) { /* what is a placeholder depends on the mode */
            assert_true(quotes == POOL__QUOTES_UNKNOWN && inspect(sql).escaped_quote);
            continue;
        }
        for (unsigned m = 0; m < 8; m++)
            if (is_read_so((struct mode){m & 1, m & 2, m & 4}, quotes))
                check_reading(sql, output, (struct mode){m & 1, m & 2, m & 4}, quotes,
                              random.values, count);
        free(output);
        checked++;
    }
    return checked;
}

static void formatted_statements_keep_their_structure_in_every_mode(void **state)
{
    (void)state;
    assert_true(check_random_statements(POOL__QUOTES_UNKNOWN, 60000) > 10000);
}

static void statements_for_a_known_session_keep_their_structure_in_it(void **state)
{
    (void)state;
    assert_true(check_random_statements(POOL__QUOTES_ESCAPED, 30000) > 5000);
    assert_true(check_random_statements(POOL__QUOTES_ANSI, 30000) > 5000);
    assert_true(check_random_statements(POOL__QUOTES_BARE, 30000) > 5000);
}

static void random_bytes_never_confuse_the_scanner(void **state)
{
    (void)state;
    static const char alphabet[] = "'\"`\\/*!M-#\n ?:=a@$;(\xC3\xA9";
    uint32_t seed = 42;
    for (int round = 0; round < 200000; round++) {
        size_t len = next_random(&seed) % 16;
        char *sql = malloc(len + 1); /* exactly as long, so that asan sees any overrun */
        for (size_t i = 0; i < len; i++)
            sql[i] = alphabet[next_random(&seed) % (sizeof alphabet - 1)];
        struct pool__sql_info info = {0};
        struct pool__expanded expanded;
        bool valid = pool__inspect(sql, len, &info, NULL);
        if (valid && info.placeholders == 0) {
            assert_true(pool__expand(sql, len, POOL_NO_ARGS, &expanded, NULL));
            assert_memory_equal(expanded.sql, sql, len);
            pool__expand_free(&expanded);
        }
        free(sql);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formatted_statements_keep_their_structure_in_every_mode),
        cmocka_unit_test(statements_for_a_known_session_keep_their_structure_in_it),
        cmocka_unit_test(random_bytes_never_confuse_the_scanner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
