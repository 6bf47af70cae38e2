/*
 * Reading what the server sends: rows of the binary protocol (prepared statements) and
 * of the text protocol.
 *
 * pool__decode_row takes a packet apart and is the only code that sees unchecked lengths. What it
 * has accepted is read, value by value, in field.c.
 */
#include "result/decode.h"

#include "result/moment.h"
#include "result/wire.h"

/* Reads a length-encoded integer; 0xfb (NULL) and 0xff are none. */
static bool read_length(struct pool__parser *row, uint64_t *ret_length)
{
    if (row->at == row->end)
        return false;
    uint8_t first = *row->at++;
    if (first < 0xfb) {
        *ret_length = first;
        return true;
    }
    size_t size = first == 0xfc ? 2 : first == 0xfd ? 3 : first == 0xfe ? 8 : 0;
    if (size == 0 || (size_t)(row->end - row->at) < size)
        return false;
    *ret_length = pool__little_endian(row->at, size);
    row->at += size;
    return true;
}

static const char *check_content(enum pool__wire_form form, const uint8_t *data, size_t len)
{
    struct pool_time time;
    if (form == POOL__WIRE_BIT && len > 8)
        return "a BIT value is longer than 8 bytes";
    if (form == POOL__WIRE_MOMENT && !pool__moment_unpack(data, len, POOL_TYPE_DATETIME, &time))
        return "a date or time is impossible";
    if (form == POOL__WIRE_SPAN && !pool__moment_unpack_span(data, len, &time))
        return "a TIME is impossible";
    return NULL;
}

/* Reads a value that is not NULL, and steps over it. */
static inline const char *split_value(struct pool__parser *row, const struct pool__column *column,
                                      const uint8_t *packet, struct pool__cell *ret_cell)
{
    uint64_t size = column->size;
    if (size == 0 && !read_length(row, &size))
        return "a length is missing or wrong";
    if (size > (uint64_t)(row->end - row->at))
        return "a value goes beyond the end of the packet";
    if (column->size == 0 && column->form != POOL__WIRE_CHARS) {
        const char *wrong = check_content(column->form, row->at, (size_t)size);
        if (wrong)
            return wrong;
    }
    *ret_cell = (struct pool__cell){(uint32_t)(row->at - packet), (uint32_t)size};
    row->at += size;
    return NULL;
}

static bool skip_header(struct pool__parser *row, unsigned columns)
{
    size_t size = 1 + ((size_t)columns + 9) / 8;
    if ((size_t)(row->end - row->at) < size || *row->at != 0)
        return false;
    row->at += size;
    return true;
}

/* In the header of a row of the binary protocol. */
static inline bool is_null_bit_set(const uint8_t *packet, unsigned column)
{
    size_t bit = (size_t)column + 2; /* the protocol reserves two */
    return packet[1 + bit / 8] >> (bit % 8) & 1;
}

const char *pool__decode_row(const struct pool__column *columns, unsigned count, bool binary,
                             const uint8_t *packet, size_t len, struct pool__cell *ret_cells,
                             unsigned *ret_column)
{
    struct pool__parser row = {packet, packet + len};
    *ret_column = 0;
    if (binary && !skip_header(&row, count))
        return "the header is missing or wrong";
    for (unsigned i = 0; i < count; i++) {
        bool null = binary ? is_null_bit_set(packet, i) || columns[i].form == POOL__WIRE_NOTHING
                           : pool__wire_accept(&row, (char)0xfb);
        if (null) {
            ret_cells[i] = (struct pool__cell){0, POOL__CELL_NULL};
            continue;
        }
        const char *wrong = split_value(&row, &columns[i], packet, &ret_cells[i]);
        if (wrong) {
            *ret_column = i + 1;
            return wrong;
        }
    }
    return row.at == row.end ? NULL : "bytes are left over after the last column";
}
