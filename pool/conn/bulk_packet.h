/*
 * Rows of values as the packet of COM_STMT_BULK_EXECUTE: the rows of one packet share one
 * type for each column.
 *
 * A packet is for one thread at a time; what it is made of is only read.
 */
#ifndef POOL_CONN_BULK_PACKET_H
#define POOL_CONN_BULK_PACKET_H

#include "mypool.h"

/* Row after row, `columns` values each. */
struct pool__table {
    const struct pool_value *values;
    size_t rows;
    size_t columns; /* 1 to 65535 */
};

struct pool__bulk_packet {
    uint8_t *data; /* the packet without its command byte */
    size_t len;
    size_t size; /* of `data`, for the next packets too */
    size_t rows; /* in it */
    size_t columns;
    bool types_change; /* the row behind it has a value of another type */
    uint16_t *seen;    /* of each column: what values it has in this packet */
    uint16_t *next;    /* the same with one more row */
    uint8_t *types;    /* of each column: how its values go */
};

/* False if memory is out. Free with pool__bulk_packet_fini in any case. */
bool pool__bulk_packet_init(struct pool__bulk_packet *pack, size_t columns);
void pool__bulk_packet_fini(struct pool__bulk_packet *pack);

/* Packs the rows from `from` on: at least one, then as long as they have a common type and
 * the packet stays below `most` bytes. False if memory is out; then there are none. */
bool pool__bulk_packet_rows(struct pool__bulk_packet *pack, const struct pool__table *table,
                            size_t from, size_t most);

/* Writes the number of the prepared statement into the packet, before that is sent. */
void pool__bulk_packet_address(struct pool__bulk_packet *pack, uint32_t statement_id);

/* The bytes of a packet with this row alone. */
size_t pool__bulk_packet_size(const struct pool_value *row, size_t columns);

#endif
