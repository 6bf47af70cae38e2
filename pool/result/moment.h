/*
 * Dates and times as they come. Nothing here allocates or keeps state. threads: any.
 */
#ifndef POOL_RESULT_MOMENT_H
#define POOL_RESULT_MOMENT_H

#include "mypool.h"

/* Reads the bytes of the binary protocol: of a DATE or DATETIME, which is the type of the column;
 * and of a TIME. False if the length or a part is impossible. */
bool pool__moment_unpack(const uint8_t *data, size_t len, enum pool_type type,
                         struct pool_time *ret_time);
bool pool__moment_unpack_span(const uint8_t *data, size_t len, struct pool_time *ret_time);

/* Reads a date, a time, or both from characters. False unless all of them belong to it. */
bool pool__moment_parse(const uint8_t *text, size_t len, bool is_datetime,
                        struct pool_time *ret_time);

#endif
