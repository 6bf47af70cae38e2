/*
 * What a result is made of: shared by result.c, which builds it, and get.c and scan.c,
 * which read it. One thread at a time.
 */
#ifndef POOL_RESULT_LAYOUT_H
#define POOL_RESULT_LAYOUT_H

#include "mypool.h"
#include "result/decode.h"
#include "result/field.h"
#include "result/result.h"

struct pool__chunk {
    struct pool__chunk *next; /* the one before in time */
    size_t size;              /* of what follows */
    _Alignas(8) uint8_t bytes[];
};

struct pool__row {
    struct pool__row *next;
    const char **texts; /* one per column once any was made, else NULL */
    struct pool__cell cells[];
};

struct pool__set {
    struct pool__set *next;
    struct pool__column *columns;
    unsigned count;
    unsigned warnings;
    bool binary;
    struct pool__row *first_row;
    struct pool__row *last_row;
    uint64_t rows;
    uint64_t affected;
    uint64_t changed;
    uint64_t insert_id;
};

struct pool__arena {
    uint8_t *next; /* free memory, `left` bytes of it, aligned to 8 */
    size_t left;
    struct pool__chunk *chunks; /* newest first */
    size_t bytes;               /* counted against max_bytes, never above it */
};

struct pool_result {
    struct pool__arena arena;
    struct pool__arena mark;   /* as it was after the columns of the set being built */
    struct pool__chunk *spare; /* for streaming; NULL or one */
    size_t chunk_size;         /* of the next chunk */
    uint64_t max_rows;
    size_t max_bytes;
    uint64_t rows; /* of all sets */

    struct pool__set *first;          /* NULL before the first set begins; then always &first_set */
    struct pool__set *building;       /* the last one */
    struct pool__set *set;            /* current */
    struct pool__row *row;            /* current, NULL if none */
    const uint8_t *data;              /* what the cells of `row` refer to */
    bool started;                     /* pool_next was called in this set */
    bool streaming;                   /* `row` is not in the set's list, its texts have no NUL */
    struct pool_result *joined;       /* freed with this one, which has their rows */
    const struct pool_error *misread; /* NULL: all was read well, see misread.h */
    struct pool_error *misread_memory; /* NULL, or made once */

    struct pool__set first_set;
    _Alignas(8) uint8_t bytes[];
};

/* Memory that lives as long as the result, aligned to 8; NULL if out of memory. */
static inline void *pool__result_take(struct pool_result *r, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    if (size > r->arena.left)
        return pool__result_grow(r, size);
    void *memory = r->arena.next;
    r->arena.next += size;
    r->arena.left -= size;
    return memory;
}

/* Of POOL_SCAN. */
static inline bool pool__target_is_valid(const struct pool_target *target)
{
    if ((unsigned)target->type <= POOL_TO_TIME)
        return target->to != NULL;
    return target->type == POOL_TO_SKIP && !target->to;
}

/* False if there is no such value, or it is NULL. */
static inline bool pool__find_field(const struct pool_result *r, unsigned column,
                                    struct pool__field *ret_field)
{
    if (!r || !r->row || column >= r->set->count)
        return false;
    const struct pool__cell *cell = &r->row->cells[column];
    if (cell->len == POOL__CELL_NULL)
        return false;
    *ret_field = (struct pool__field){&r->set->columns[column], r->data + cell->at, cell->len};
    return true;
}

static inline uint8_t *pool__layout_data(const struct pool__set *set, struct pool__row *row)
{
    return (uint8_t *)(row->cells + set->count);
}

#endif
