/*
 * Kinds of characters, as SQL has them and whatever the program's language. A character may be a
 * char or a byte: what is not ASCII is neither. threads: any.
 */
#ifndef POOL_SQL_CHARS_H
#define POOL_SQL_CHARS_H

#include <stdbool.h>

static inline bool pool__is_blank(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool pool__is_digit(int c)
{
    return c >= '0' && c <= '9';
}

#endif
