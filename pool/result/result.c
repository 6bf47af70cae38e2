/*
 * A result: its sets, their columns and rows, a position in them, and one arena for all.
 *
 * The arena starts inside the result itself, so that a small result costs one malloc;
 * more chunks follow, each twice as big as the last. Nothing in it is freed on its own.
 * A streamed result goes back to a mark behind the columns before every row and keeps one
 * spare chunk, so its memory does not grow with the number of rows.
 *
 * A row is kept as a table of cells and its bytes. The bytes are copied without their
 * length prefixes, and each text is followed by a NUL: since every text had a prefix of at
 * least one byte, a stored row is never longer than its packet, and pool_get_text costs
 * nothing. A streamed row is read where the library left it. Texts that have to be made
 * (numbers, dates, anything in a streamed row) are remembered with their row, so asking
 * again costs neither time nor memory.
 *
 * max_bytes counts what the server sent: columns and rows with their tables. Texts made
 * later by the program's own calls do not count. No locks: one thread at a time.
 */
#include "result/result.h"

#include "base/error.h"
#include "result/decode.h"
#include "result/layout.h"

#include <stdlib.h>
#include <string.h>

/* glibc serves blocks of up to 1032 bytes from a cache of the thread. */
#define FIRST_SIZE 1024
#define CHUNK_MIN 4096
#define CHUNK_MAX (256 * 1024)

/* ---- arena ---- */

static struct pool__chunk *take_chunk(struct pool_result *r, size_t size)
{
    struct pool__chunk *chunk = r->spare;
    r->spare = NULL;
    if (!chunk || chunk->size < size) {
        free(chunk);
        chunk = malloc(sizeof *chunk + size);
        if (!chunk)
            return NULL;
        chunk->size = size;
    }
    chunk->next = r->arena.chunks;
    r->arena.chunks = chunk;
    return chunk;
}

/* What would waste much of a chunk gets one of its own. */
void *pool__result_grow(struct pool_result *r, size_t size)
{
    bool own = size > r->chunk_size / 4;
    struct pool__chunk *chunk = take_chunk(r, own ? size : r->chunk_size);
    if (!chunk)
        return NULL;
    if (own)
        return chunk->bytes;
    if (r->chunk_size < CHUNK_MAX)
        r->chunk_size *= 2;
    r->arena.next = chunk->bytes + size;
    r->arena.left = chunk->size - size;
    return chunk->bytes;
}

/* Memory for what the server sent. */
static inline void *take_counted(struct pool_result *r, size_t size, struct pool_error *err)
{
    if (size > r->max_bytes - r->arena.bytes) {
        pool__fail(err, POOL_ERR_TOO_BIG,
                   "the result needs more than max_result_bytes (%zu bytes) after %llu rows",
                   r->max_bytes, (unsigned long long)r->rows);
        return NULL;
    }
    void *memory = pool__result_take(r, size);
    if (!memory)
        pool__fail(err, POOL_ERR_NOMEM, "out of memory for a result after %llu rows",
                   (unsigned long long)r->rows);
    else
        r->arena.bytes += size;
    return memory;
}

void *pool__result_take_counted(struct pool_result *r, size_t size, struct pool_error *err)
{
    return take_counted(r, size, err);
}

/* Goes back to the mark. Of the chunks that were added since, the biggest stays. */
static void reset_to_mark(struct pool_result *r)
{
    struct pool__chunk *chunk = r->arena.chunks;
    while (chunk != r->mark.chunks) {
        struct pool__chunk *next = chunk->next;
        if (!r->spare || chunk->size > r->spare->size) {
            free(r->spare);
            r->spare = chunk;
        } else {
            free(chunk);
        }
        chunk = next;
    }
    r->arena = r->mark;
}

struct pool_result *pool__result_new(uint64_t max_rows, size_t max_bytes)
{
    struct pool_result *r = malloc(FIRST_SIZE);
    if (!r)
        return NULL;
    memset(r, 0, sizeof *r);
    r->max_rows = max_rows;
    r->max_bytes = max_bytes;
    r->chunk_size = CHUNK_MIN;
    r->arena.next = r->bytes;
    r->arena.left = (FIRST_SIZE - sizeof *r) & ~(size_t)7;
    r->mark = r->arena;
    return r;
}

static void free_one(struct pool_result *result)
{
    struct pool__chunk *chunk = result->arena.chunks;
    while (chunk) {
        struct pool__chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    free(result->spare);
    free(result->misread_memory);
    free(result);
}

void pool_result_free(struct pool_result *result)
{
    while (result) {
        struct pool_result *next = result->joined;
        free_one(result);
        result = next;
    }
}

/* ---- building ---- */

static bool fail_malformed(struct pool_error *err, const char *what, uint64_t row, unsigned column)
{
    unsigned long long number = row + 1;
    if (column == 0)
        return pool__fail_fatal(err, POOL_ERR_LOST, "malformed row %llu: %s", number, what);
    return pool__fail_fatal(err, POOL_ERR_LOST, "malformed row %llu, column %u: %s", number, column,
                            what);
}

/* Makes room for a row with `extra` bytes behind its cells, and fills in the cells. */
static struct pool__row *read_row(struct pool_result *r, const uint8_t *packet, size_t len,
                                  size_t extra, struct pool_error *err)
{
    const struct pool__set *set = r->building;
    unsigned column;
    if (!set || set->count == 0) {
        fail_malformed(err, "there are no columns", r->rows, 0);
        return NULL;
    }
    if (set->rows >= r->max_rows || len >= UINT32_MAX) {
        pool__fail(err, POOL_ERR_TOO_BIG, "the result has more than max_rows (%llu) rows%s",
                   (unsigned long long)r->max_rows, len >= UINT32_MAX ? ", or one of 4 GiB" : "");
        return NULL;
    }
    size_t table = set->count * sizeof(struct pool__cell);
    struct pool__row *row = take_counted(r, sizeof *row + table + extra, err);
    if (!row)
        return NULL;
    row->next = NULL;
    row->texts = NULL;
    const char *wrong =
        pool__decode_row(set->columns, set->count, set->binary, packet, len, row->cells, &column);
    if (!wrong)
        return row;
    fail_malformed(err, wrong, set->rows, column);
    return NULL;
}

/* Moves the values behind the cells of their row, and a NUL behind those that came with
 * a length. */
static void store_values(const struct pool__set *set, struct pool__row *row, const uint8_t *packet)
{
    uint8_t *data = pool__layout_data(set, row);
    uint32_t at = 0;
    for (unsigned i = 0; i < set->count; i++) {
        struct pool__cell *cell = &row->cells[i];
        if (cell->len == POOL__CELL_NULL)
            continue;
        memcpy(data + at, packet + cell->at, cell->len);
        cell->at = at;
        at += cell->len;
        if (set->columns[i].size == 0)
            data[at++] = '\0';
    }
}

bool pool__result_add_row(struct pool_result *result, const uint8_t *packet, size_t len,
                          struct pool_error *err)
{
    struct pool__row *row = read_row(result, packet, len, len, err);
    if (!row)
        return false;
    struct pool__set *set = result->building;
    store_values(set, row, packet);
    if (set->last_row)
        set->last_row->next = row;
    else
        set->first_row = row;
    set->last_row = row;
    set->rows++;
    result->rows++;
    return true;
}

bool pool__result_stream_row(struct pool_result *result, const uint8_t *packet, size_t len,
                             struct pool_error *err)
{
    pool__result_drop_rows(result);
    struct pool__row *row = read_row(result, packet, len, 0, err);
    if (!row)
        return false;
    result->set = result->building;
    result->row = row;
    result->data = packet;
    result->started = true;
    result->streaming = true;
    result->set->rows++;
    result->rows++;
    return true;
}

void pool__result_drop_rows(struct pool_result *result)
{
    reset_to_mark(result);
    if (result->building)
        result->building->first_row = result->building->last_row = NULL;
    if (result->set == result->building || result->streaming)
        result->row = NULL;
    result->streaming = false;
}

void pool__result_end_set(struct pool_result *result, uint64_t affected, uint64_t insert_id,
                          unsigned warnings)
{
    struct pool__set *set = result->building;
    if (result->streaming)
        pool__result_drop_rows(result);
    if (set) {
        set->affected = affected;
        set->changed = affected;
        set->insert_id = insert_id;
        set->warnings = warnings;
    }
    pool_rewind(result);
}

void pool__result_set_changed(struct pool_result *result, uint64_t changed)
{
    if (result->building)
        result->building->changed = changed;
}

uint64_t pool__result_rows(const struct pool_result *result)
{
    return result ? result->rows : 0;
}
