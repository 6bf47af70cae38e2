/*
 * Errors: one struct that the caller owns, filled in by the function that found the
 * trouble. Nothing is allocated, printed or kept between calls, so reporting works when
 * memory is out and from any thread.
 *
 * A success touches a few bytes only, because it happens on the path of every call; the
 * half kilobyte of the struct is cleared only when there is something to say. Messages
 * are written to a local buffer first: their arguments are often parts of the message
 * that they replace.
 *
 * The names and texts of the codes come from POOL_CODES in mypool.h, the only table.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Drops the character that a cut at `len` bytes has left incomplete, if any: back to its
 * first byte, which says how long it should have been. */
static void drop_partial_character(char *text, size_t len)
{
    size_t start = len;
    while (start > 0 && len - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    start--;
    unsigned char first = (unsigned char)text[start];
    size_t wanted = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    if (len - start < wanted)
        text[start] = '\0';
}

__attribute__((format(printf, 3, 0))) static void fill(struct pool_error *err, enum pool_code code,
                                                       const char *format, va_list args)
{
    char message[sizeof err->message];
    if (!err)
        return;
    int len = vsnprintf(message, sizeof message, format, args);
    if (len < 0)
        message[0] = '\0';
    else if ((size_t)len >= sizeof message)
        drop_partial_character(message, sizeof message - 1);
    memset(err, 0, sizeof *err);
    err->code = code;
    memcpy(err->message, message, strlen(message) + 1);
}

/* Other words for the same failure leave what the server said of it. */
bool pool_error_set(struct pool_error *err, enum pool_code code, const char *format, ...)
{
    struct pool_error was = {.code = POOL_OK};
    va_list args;
    if (err && err->code == code)
        was = *err;
    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    if (err && code != POOL_OK && was.code == code) {
        memcpy(was.message, err->message, sizeof was.message);
        *err = was;
    }
    return false;
}

bool pool__fail(struct pool_error *err, enum pool_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    return false;
}

bool pool__fail_unsent(struct pool_error *err, enum pool_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    if (err)
        err->not_executed = true;
    return false;
}

bool pool__fail_lost(struct pool_error *err, enum pool_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    if (err)
        err->fatal = err->not_executed = true;
    return false;
}

bool pool__fail_fatal(struct pool_error *err, enum pool_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    if (err)
        err->fatal = true;
    return false;
}

bool pool__fail_copy(struct pool_error *err, const struct pool_error *from)
{
    if (err && err != from)
        *err = *from;
    return false;
}

void pool__error_reword(struct pool_error *err, const char *before, const char *behind)
{
    struct pool_error was = *err;
    pool__fail(err, was.code, "%s%.320s%s", before, was.message, behind);
    err->server_errno = was.server_errno;
    memcpy(err->sqlstate, was.sqlstate, sizeof err->sqlstate);
    err->fatal = was.fatal;
    err->not_executed = was.not_executed;
    err->retry_transaction = was.retry_transaction;
}

const char *pool_code_name(enum pool_code code)
{
    switch (code) {
#define CODE_NAME(id, name, text)                                                                  \
    case id: return name;
        POOL_CODES(CODE_NAME)
#undef CODE_NAME
    }
    return "POOL_UNKNOWN";
}

const char *pool__code_text(enum pool_code code)
{
    switch (code) {
#define CODE_TEXT(id, name, text)                                                                  \
    case id: return text;
        POOL_CODES(CODE_TEXT)
#undef CODE_TEXT
    }
    return "unknown code";
}
