/*
 * Building a struct pool_result from the packets of a reply. Reading one is public: see
 * mypool.h.
 *
 *     pool__result_new
 *     for each result set:
 *         pool__sets_begin
 *         pool__result_add_row or pool__result_stream_row, for each row packet
 *         pool__result_end_set
 *
 * After each end_set the result stands before the first row of its first set. On
 * failure the error is filled in and the result is only good for pool_result_free; on
 * success `err` is not touched. A malformed packet is POOL_ERR_LOST with `fatal`: the
 * connection is out of step. threads: one at a time.
 */
#ifndef POOL_RESULT_RESULT_H
#define POOL_RESULT_RESULT_H

#include "mypool.h"

/* Limits: rows of one set (streamed ones too), and bytes kept of columns and rows. NULL
 * if out of memory. */
struct pool_result *pool__result_new(uint64_t max_rows, size_t max_bytes);

/* Checks a row packet and copies it. */
bool pool__result_add_row(struct pool_result *result, const uint8_t *packet, size_t len,
                          struct pool_error *err);

/* Checks a row packet and makes it the current row in place of the one before, whose
 * texts are gone. The packet is not copied and must stay until the next row or end_set. */
bool pool__result_stream_row(struct pool_result *result, const uint8_t *packet, size_t len,
                             struct pool_error *err);

/* Forgets the rows of the set being built, but not their number, and keeps the memory. */
void pool__result_drop_rows(struct pool_result *result);

void pool__result_end_set(struct pool_result *result, uint64_t affected, uint64_t insert_id,
                          unsigned warnings);
/* The set that has just ended is that of an UPDATE, which has changed so many rows. */
void pool__result_set_changed(struct pool_result *result, uint64_t changed);

/* Rows of all sets so far. */
uint64_t pool__result_rows(const struct pool_result *result);

/* What pool__result_take does if its chunk is used up. */
void *pool__result_grow(struct pool_result *result, size_t size);

/* Memory for what the server sent, within max_bytes. NULL with the error. */
void *pool__result_take_counted(struct pool_result *result, size_t size, struct pool_error *err);

#endif
