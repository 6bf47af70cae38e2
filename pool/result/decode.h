/*
 * The wire formats of result rows: what a column looks like on the wire, how a row
 * packet is taken apart.
 *
 * Everything a server sends is taken for hostile: pool__decode_row checks all lengths
 * and ranges once, and the other functions rely on what it has accepted. Nothing here
 * allocates or keeps state. threads: any.
 */
#ifndef POOL_RESULT_DECODE_H
#define POOL_RESULT_DECODE_H

#include "mypool.h"

/* How the bytes of a value are to be read. */
enum pool__wire_form {
    POOL__WIRE_CHARS,  /* length, characters or bytes: all of the text protocol but BIT */
    POOL__WIRE_BIT,    /* length, up to 8 bytes, most significant first */
    POOL__WIRE_SIGNED, /* `size` bytes, least significant first; so are the next three */
    POOL__WIRE_UNSIGNED,
    POOL__WIRE_FLOAT,
    POOL__WIRE_DOUBLE,
    POOL__WIRE_MOMENT, /* length, date, time of day, microseconds */
    POOL__WIRE_SPAN,   /* length, sign, days, hours, minutes, seconds, microseconds */
    POOL__WIRE_NOTHING /* the NULL type in the binary protocol: no bytes at all */
};

struct pool__column {
    const char *name;
    uint32_t width;   /* digits to fill up to with zeros; 0: none */
    uint8_t type;     /* enum pool_type */
    uint8_t form;     /* enum pool__wire_form */
    uint8_t size;     /* bytes of a value; 0: a length precedes it */
    uint8_t decimals; /* of seconds, above 6: as many as needed; of FLOAT and DOUBLE, above 30 */
};

#define POOL__CELL_NULL UINT32_MAX

/* Where a value lies within its row. */
struct pool__cell {
    uint32_t at;
    uint32_t len; /* POOL__CELL_NULL: the SQL NULL */
};

/* FLOAT or DOUBLE. */
static inline bool pool__is_real_type(unsigned type)
{
    return type == POOL_TYPE_FLOAT || type == POOL_TYPE_DOUBLE;
}

/* Finds the `count` values of a row packet shorter than 4 GiB. Returns NULL, or what is
 * wrong; then *ret_column is the column, counted from 1, or 0 for the row as a whole. */
const char *pool__decode_row(const struct pool__column *columns, unsigned count, bool binary,
                             const uint8_t *packet, size_t len, struct pool__cell *ret_cells,
                             unsigned *ret_column);

#endif
