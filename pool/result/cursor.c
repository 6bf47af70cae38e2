/*
 * Where the reader of a result is, and what its sets say of themselves. All public.
 */
#include "result/layout.h"

static void go_to_set(struct pool_result *r, struct pool__set *set)
{
    r->set = set;
    r->row = NULL;
    r->started = false;
}

bool pool_next(struct pool_result *result)
{
    if (!result || !result->set || result->misread)
        return false;
    if (result->started)
        result->row = result->row ? result->row->next : NULL;
    else
        result->row = result->set->first_row;
    result->started = true;
    if (result->row)
        result->data = pool__layout_data(result->set, result->row);
    return result->row != NULL;
}

bool pool_next_set(struct pool_result *result)
{
    if (!result || !result->set || !result->set->next || result->misread)
        return false;
    go_to_set(result, result->set->next);
    return true;
}

void pool_rewind(struct pool_result *result)
{
    if (!result)
        return;
    result->misread = NULL;
    go_to_set(result, result->first);
}

static const struct pool__set *current_set(const struct pool_result *result)
{
    static const struct pool__set none;
    return result && result->set ? result->set : &none;
}

unsigned pool_column_count(const struct pool_result *result)
{
    return current_set(result)->count;
}

const char *pool_column_name(const struct pool_result *result, unsigned column)
{
    const struct pool__set *set = current_set(result);
    return column < set->count ? set->columns[column].name : NULL;
}

enum pool_type pool_column_type(const struct pool_result *result, unsigned column)
{
    const struct pool__set *set = current_set(result);
    return column < set->count ? (enum pool_type)set->columns[column].type : POOL_TYPE_NULL;
}

uint64_t pool_row_count(const struct pool_result *result)
{
    return current_set(result)->rows;
}

uint64_t pool_affected_rows(const struct pool_result *result)
{
    return current_set(result)->affected;
}

uint64_t pool_changed_rows(const struct pool_result *result)
{
    return current_set(result)->changed;
}

uint64_t pool_insert_id(const struct pool_result *result)
{
    return current_set(result)->insert_id;
}

unsigned pool_warning_count(const struct pool_result *result)
{
    return current_set(result)->warnings;
}
