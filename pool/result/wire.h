/*
 * The small change of reading: integers of some bytes, characters one after the other.
 */
#ifndef POOL_RESULT_WIRE_H
#define POOL_RESULT_WIRE_H

#include "sql/chars.h"

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t pool__little_endian(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    if (size == 8) { /* one load instead of eight, for the most frequent size */
        memcpy(&value, bytes, sizeof value);
        return le64toh(value);
    }
    for (size_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

/* Text that is being parsed: a position in characters of known length. */
struct pool__parser {
    const uint8_t *at;
    const uint8_t *end;
};

static inline bool pool__wire_accept(struct pool__parser *parser, char c)
{
    if (parser->at == parser->end || *parser->at != (uint8_t)c)
        return false;
    parser->at++;
    return true;
}

static inline bool pool__is_digit_next(const struct pool__parser *parser)
{
    return parser->at < parser->end && pool__is_digit(*parser->at);
}

#endif
