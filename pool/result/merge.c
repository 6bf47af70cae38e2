/*
 * Two results as one: what a statement that was executed in several parts has returned. The
 * rows stay where they are; the one that goes into the other is kept as long as that. Whatever
 * is counted is counted in the first set. One thread at a time.
 */
#include "result/merge.h"

#include "base/error.h"
#include "result/layout.h"

/* The cells of the one can be read with the columns of the other. */
static bool are_alike(const struct pool__set *a, const struct pool__set *b)
{
    bool alike = a->count == b->count && a->binary == b->binary;
    for (unsigned i = 0; alike && i < a->count; i++)
        alike = a->columns[i].type == b->columns[i].type &&
                a->columns[i].form == b->columns[i].form &&
                a->columns[i].size == b->columns[i].size;
    return alike;
}

static void join_rows(struct pool__set *to, const struct pool__set *from)
{
    if (!from->first_row)
        return;
    if (to->last_row)
        to->last_row->next = from->first_row;
    else
        to->first_row = from->first_row;
    to->last_row = from->last_row;
    to->rows += from->rows;
}

static void add_counts(struct pool__set *to, const struct pool__set *from)
{
    to->affected += from->affected;
    to->changed += from->changed;
    to->warnings += from->warnings;
    if (!to->insert_id)
        to->insert_id = from->insert_id;
}

/* One after the other: somebody has changed the table meanwhile, or a value that is returned
 * has another type. */
static void append_sets(struct pool_result *total, struct pool_result *part)
{
    total->building->next = part->first;
    total->building = part->building;
}

bool pool__merge_results(struct pool_result *total, struct pool_result *part,
                         struct pool_error *err)
{
    bool alike = are_alike(total->building, part->first);
    add_counts(total->first, part->first);
    if (alike)
        join_rows(total->building, part->first);
    else
        append_sets(total, part);
    if (alike && !part->rows) {
        pool_result_free(part);
        return true;
    }
    total->rows += part->rows;
    total->arena.bytes += part->arena.bytes;
    part->joined = total->joined;
    total->joined = part;
    if (total->rows <= total->max_rows && total->arena.bytes <= total->max_bytes)
        return true;
    return pool__fail(err, POOL_ERR_TOO_BIG,
                      "the rows that were returned are over max_rows or max_result_bytes");
}
