/*
 * Kinds of characters, as SQL has them and whatever the program's language. A character may be a
 * char or a byte: what is not ASCII is neither. threads: any.
 */
#ifndef POOL_SQL_CHARS_H
#define POOL_SQL_CHARS_H

#include <stdbool.h>
#include <stddef.h>

static inline bool pool__is_blank(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool pool__is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static inline int pool__small_letter(int c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* Whether two texts begin with the same `len` characters, or are the same up to their NUL, in
 * any case of letters. */
static inline bool pool__is_same_word(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (pool__small_letter(a[i]) != pool__small_letter(b[i]))
            return false;
        if (a[i] == '\0')
            break;
    }
    return true;
}

#endif
