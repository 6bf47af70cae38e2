/*
 * SQL as text: literals, identifiers, and statements with their values filled in.
 *
 * In a session that is known text becomes what a string is there: quotes are doubled and,
 * where a backslash escapes, backslashes too. This is the only form that the grammar takes
 * everywhere: behind LIKE in SHOW, for a COMMENT, as the member of an ENUM. It is written
 * only if the connection's charset is UTF-8, see quotes.c.
 *
 * If the session is not known a literal must mean the same in all of them. Quotes are doubled,
 * which every mode understands, and text in which a backslash would matter is written in
 * hexadecimal: _utf8mb4 X'...' is an ordinary text literal (same strength in comparisons as
 * 'abc', indexes are used, JSON functions take it), which CONVERT(...) is not. The same goes
 * for text with a NUL where it cannot be escaped, and for text inside an executable comment,
 * because a server that skips the comment sees an end of comment inside quotes, too. Text that
 * is not valid UTF-8 would be refused with that introducer; it goes as bare X'...' and the
 * server judges it like the bytes of a prepared statement.
 *
 * A literal never touches its neighbours: '?''x' would join two strings into one, x? would
 * make a name of a number. A blank is put between them, but not behind a minus, where it
 * could complete the start of a comment.
 *
 * Doubles have the fewest digits that read back, and an exponent, without which the server
 * would take them for decimals. Dates and times are typed literals (DATE'2024-02-29'): a text
 * would be compared with text as text.
 */
#include "sql/literal.h"

#include "base/error.h"
#include "sql/calendar.h"
#include "sql/give.h"
#include "sql/number.h"
#include "sql/placeholders.h"
#include "sql/readings.h"
#include "sql/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text that grows. Once memory is out everything is ignored until the end. */
struct buffer {
    char *data; /* not NUL-terminated */
    size_t len;
    size_t size;
    bool failed;
};

static bool reserve(struct buffer *buffer, size_t more)
{
    if (buffer->failed)
        return false;
    if (buffer->size - buffer->len >= more)
        return true;
    size_t size = buffer->size < SIZE_MAX / 2 ? buffer->size * 2 : SIZE_MAX;
    if (more > SIZE_MAX - buffer->len || size - buffer->len < more)
        size = more > SIZE_MAX - buffer->len ? 0 : buffer->len + more;
    char *data = size > 0 ? realloc(buffer->data, size) : NULL;
    if (!data) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->size = size;
    return true;
}

static void put(struct buffer *buffer, const void *data, size_t len)
{
    if (len == 0 || !reserve(buffer, len))
        return;
    memcpy(buffer->data + buffer->len, data, len);
    buffer->len += len;
}

static void put_word(struct buffer *buffer, const char *word)
{
    put(buffer, word, strlen(word));
}

/* Takes the text out of the buffer, or frees it if something is missing. */
static char *take_text(struct buffer *buffer)
{
    put(buffer, "", 1);
    if (buffer->failed) {
        free(buffer->data);
        buffer->data = NULL;
    }
    return buffer->data;
}

static void put_quoted(struct buffer *buffer, const char *text, size_t len, char quote)
{
    put(buffer, &quote, 1);
    while (len > 0) {
        const char *found = memchr(text, quote, len);
        size_t run = found ? (size_t)(found - text) + 1 : len;
        put(buffer, text, run);
        if (found)
            put(buffer, &quote, 1);
        text += run;
        len -= run;
    }
    put(buffer, &quote, 1);
}

static void put_hex(struct buffer *buffer, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    put_word(buffer, "X'");
    if (len <= (SIZE_MAX - 1) / 2 && reserve(buffer, 2 * len + 1)) {
        for (size_t i = 0; i < len; i++) {
            buffer->data[buffer->len++] = digits[bytes[i] >> 4];
            buffer->data[buffer->len++] = digits[bytes[i] & 15];
        }
        put_word(buffer, "'");
    } else {
        buffer->failed = true;
    }
}

/* As put_quoted, with a backslash before each backslash and NUL. */
static void put_escaped(struct buffer *buffer, const char *text, size_t len)
{
    size_t done = 0;
    put_word(buffer, "'");
    for (size_t i = 0; i < len; i++) {
        const char *escaped = text[i] == '\\' ? "\\\\" : text[i] == '\'' ? "''" : "\\0";
        if (text[i] != '\\' && text[i] != '\'' && text[i] != '\0')
            continue;
        put(buffer, text + done, i - done);
        put_word(buffer, escaped);
        done = i + 1;
    }
    put(buffer, text + done, len - done);
    put_word(buffer, "'");
}

static void put_text(struct buffer *buffer, const char *text, size_t len, enum pool__quotes quotes)
{
    if (len == 0) {
        put_word(buffer, "''");
        return;
    }
    if (pool__value_utf8_length(text, len) < len) {
        put_hex(buffer, text, len);
        return;
    }
    bool nul = memchr(text, '\0', len);
    bool backslash = memchr(text, '\\', len);
    if (!nul && (!backslash || quotes == POOL__QUOTES_BARE)) {
        put_quoted(buffer, text, len, '\'');
    } else if (quotes == POOL__QUOTES_ESCAPED || quotes == POOL__QUOTES_ANSI) {
        put_escaped(buffer, text, len);
    } else {
        put_word(buffer, "_utf8mb4 ");
        put_hex(buffer, text, len);
    }
}

static void put_text_in_comment(struct buffer *buffer, const char *text, size_t len)
{
    if (len > 0 && pool__value_utf8_length(text, len) == len)
        put_word(buffer, "_utf8mb4 ");
    if (len > 0)
        put_hex(buffer, text, len);
    else
        put_word(buffer, "''");
}

static void put_double(struct buffer *buffer, double value)
{
    char text[POOL__NUMBER_SIZE];
    put(buffer, text, pool__number_double_literal(value, text));
}

/* A literal of the type that the value has in a prepared statement. What such a literal may
 * refuse, depending on server and SQL mode, is text. */
static const char *word_before(const struct pool_time *time)
{
    bool last_second = time->hour == 838 && time->minute == 59 && time->second == 59;
    if (time->type == POOL_TYPE_TIME)
        return last_second && time->microsecond > 0 ? "" : "TIME";
    if (!pool__calendar_is_day(time))
        return "";
    return time->type == POOL_TYPE_DATE ? "DATE" : "TIMESTAMP";
}

static void put_time(struct buffer *buffer, const struct pool_time *time)
{
    char text[POOL__CALENDAR_SIZE];
    size_t len = pool__calendar_text(time, POOL__ANY_FRACTION, text);
    put_word(buffer, word_before(time));
    put_quoted(buffer, text, len, '\'');
}

static void put_integer(struct buffer *buffer, const struct pool_value *value)
{
    char text[32];
    if (value->type == POOL_TYPE_INT)
        snprintf(text, sizeof text, "%lld", (long long)value->as.i);
    else
        snprintf(text, sizeof text, "%llu", (unsigned long long)value->as.u);
    put_word(buffer, text);
}

/* How literals are to look at one place. */
struct style {
    enum pool__quotes quotes;
    bool in_comment;
};

/* The value has been checked, and is not a list. */
static void put_single(struct buffer *buffer, const struct pool_value *value, struct style style)
{
    switch (value->type) {
    case POOL_TYPE_INT:
    case POOL_TYPE_UINT: put_integer(buffer, value); return;
    case POOL_TYPE_DOUBLE: put_double(buffer, value->as.d); return;
    case POOL_TYPE_DECIMAL: put(buffer, value->as.bytes.data, value->as.bytes.len); return;
    case POOL_TYPE_TEXT:
        if (style.in_comment)
            put_text_in_comment(buffer, value->as.bytes.data, value->as.bytes.len);
        else
            put_text(buffer, value->as.bytes.data, value->as.bytes.len, style.quotes);
        return;
    case POOL_TYPE_BYTES: put_hex(buffer, value->as.bytes.data, value->as.bytes.len); return;
    case POOL_TYPE_DATE:
    case POOL_TYPE_TIME:
    case POOL_TYPE_DATETIME: put_time(buffer, &value->as.time); return;
    case POOL_TYPE_NULL:
    case POOL_TYPE_FLOAT:
    case POOL_TYPE_LIST: put_word(buffer, "NULL"); return;
    }
}

static void put_value(struct buffer *buffer, const struct pool_value *value, struct style style)
{
    if (value->type != POOL_TYPE_LIST) {
        put_single(buffer, value, style);
        return;
    }
    for (size_t i = 0; i < value->as.list.count; i++) {
        if (i > 0)
            put_word(buffer, ", ");
        put_single(buffer, &value->as.list.values[i], style);
    }
}

/* The text before place number `at`, or behind all of them. */
static void put_between(struct buffer *buffer, const char *sql,
                        const struct pool__placeholders *places, size_t at, size_t from, size_t to)
{
    while (from < to) {
        size_t cut = pool__placeholders_next_cut(places, at, from, to);
        put(buffer, sql + from, cut - from);
        from = cut + 1;
    }
}

/* `rest` is the text behind the place. */
static void put_place(struct buffer *buffer, const struct pool__placeholder *place,
                      enum pool__quotes quotes, const char *rest, size_t rest_len)
{
    if (place->fill == POOL__FILL_NOTHING)
        return;
    if (!buffer->failed && buffer->len > 0 &&
        pool__placeholders_touch_before(buffer->data[buffer->len - 1]))
        put_word(buffer, " ");
    if (place->fill == POOL__FILL_NO_ROWS)
        put_word(buffer, POOL__NO_ROWS);
    else
        put_value(buffer, place->value, (struct style){quotes, place->in_comment});
    if (rest_len > 0 && pool__placeholders_touch_after(rest[0]))
        put_word(buffer, " ");
}

static void put_statement(struct buffer *buffer, const char *sql, size_t len,
                          const struct pool__placeholders *places, enum pool__quotes quotes)
{
    size_t done = 0;
    for (size_t i = 0; i < places->count; i++) {
        const struct pool__placeholder *place = &places->places[i];
        put_between(buffer, sql, places, i, done, place->start);
        done = place->start + place->len;
        put_place(buffer, place, quotes, sql + done, len - done);
    }
    put_between(buffer, sql, places, places->count, done, len);
}

static bool find_places(struct pool__placeholders *places, const char *sql, size_t len,
                        struct pool_args args, enum pool__quotes quotes, struct pool_error *err)
{
    if (!pool__value_check_args(args, err))
        return false;
    enum pool__depth depth = pool__placeholders_depth(args);
    return (quotes == POOL__QUOTES_UNKNOWN
                ? pool__readings_find_safe(places, sql, len, depth, err)
                : pool__placeholders_find(places, sql, len, quotes, depth, err)) &&
           pool__give_values(places, sql, args, err);
}

bool pool__literal_format(const char *sql, size_t len, struct pool_args args,
                          enum pool__quotes quotes, char **ret_sql, size_t *ret_len,
                          struct pool_error *err)
{
    struct pool__placeholders places = {0};
    struct buffer buffer = {0};
    char *text = NULL;
    if (find_places(&places, sql, len, args, quotes, err)) {
        reserve(&buffer, len + 1);
        put_statement(&buffer, sql, len, &places, quotes);
        text = take_text(&buffer);
        if (!text)
            pool__fail(err, POOL_ERR_NOMEM, "out of memory for an SQL statement");
    }
    pool__placeholders_free(&places);
    if (!text)
        return false;
    *ret_sql = text;
    *ret_len = buffer.len - 1;
    return true;
}

char *pool_format(const char *sql, struct pool_args args, struct pool_error *err)
{
    char *text = NULL;
    size_t len = 0;
    if (!sql) {
        pool__fail(err, POOL_ERR_INVALID, "no statement was given");
        return NULL;
    }
    if (!pool__literal_format(sql, strlen(sql), args, POOL__QUOTES_UNKNOWN, &text, &len, err))
        return NULL;
    pool__ok(err);
    return text;
}

char *pool_escape(const char *text, size_t len)
{
    struct buffer buffer = {0};
    if (text)
        put_text(&buffer, text, len, POOL__QUOTES_UNKNOWN);
    else
        put_word(&buffer, "NULL");
    return take_text(&buffer);
}

char *pool_escape_id(const char *name)
{
    if (!name || name[0] == '\0')
        return NULL;
    struct buffer buffer = {0};
    put_quoted(&buffer, name, strlen(name), '`');
    return take_text(&buffer);
}
