/*
 * The mistake of a reader stays with the result until pool_rewind: only the first is kept, since
 * others follow from it. Its memory is the result's own, but not of the arena, which a stream
 * empties before every row; it is made when it is needed, which is seldom.
 *
 * Values and names are data of strangers: they are cut, control characters are replaced, and what
 * is not UTF-8 is described by its length.
 */
#include "result/misread.h"

#include "base/error.h"
#include "result/field.h"
#include "result/layout.h"
#include "sql/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 60 /* bytes of a value or a name */
#define LABEL_SIZE 200

const struct pool_error *pool_result_error(const struct pool_result *result)
{
    return result ? result->misread : NULL;
}

struct pool_error *pool__misread(struct pool_result *result)
{
    static const struct pool_error no_memory = {.code = POOL_ERR_NOMEM,
                                                .message = "out of memory while a row was read"};
    if (result->misread)
        return NULL;
    if (!result->misread_memory)
        result->misread_memory = malloc(sizeof *result->misread_memory);
    result->misread = result->misread_memory ? result->misread_memory : &no_memory;
    return result->misread_memory;
}

/* ---- words ---- */

static void show(char shown[SHOWN_MAX + 4], const char *text, size_t len)
{
    size_t kept = pool__value_utf8_length(text, len < SHOWN_MAX ? len : SHOWN_MAX);
    for (size_t i = 0; i < kept; i++)
        shown[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    memcpy(shown + kept, kept < len ? "..." : "", kept < len ? 4 : 1);
}

static const char *const target_names[] = {
    [POOL_TO_BOOL] = "a bool",     [POOL_TO_I8] = "an int8_t",
    [POOL_TO_U8] = "a uint8_t",    [POOL_TO_I16] = "an int16_t",
    [POOL_TO_U16] = "a uint16_t",  [POOL_TO_I32] = "an int32_t",
    [POOL_TO_U32] = "a uint32_t",  [POOL_TO_I64] = "an int64_t",
    [POOL_TO_U64] = "a uint64_t",  [POOL_TO_FLOAT] = "a float",
    [POOL_TO_DOUBLE] = "a double", [POOL_TO_TEXT] = "text",
    [POOL_TO_BYTES] = "bytes",     [POOL_TO_TIME] = "a struct pool_time",
};

/* NULL if it is no variable. */
static const char *target_name(enum pool_target_type type)
{
    return (unsigned)type < sizeof target_names / sizeof *target_names ? target_names[type] : NULL;
}

/* Counted from 1. */
static uint64_t row_number(const struct pool_result *r)
{
    uint64_t number = 1;
    if (r->streaming)
        return r->set->rows;
    for (const struct pool__row *row = r->set->first_row; row && row != r->row; row = row->next)
        number++;
    return number;
}

static void label_column(char label[LABEL_SIZE], const struct pool_result *r, unsigned column)
{
    char name[SHOWN_MAX + 4], set[32] = "";
    unsigned number = 1;
    for (const struct pool__set *at = r->first; at && at != r->set; at = at->next)
        number++;
    if (number > 1)
        snprintf(set, sizeof set, " of set %u", number);
    const char *full = r->set->columns[column].name;
    show(name, full, strlen(full));
    snprintf(label, LABEL_SIZE, "row %llu%s, column %u '%s'", (unsigned long long)row_number(r),
             set, column + 1, name);
}

/* ---- what was wrong ---- */

static bool blame_value(struct pool_result *r, unsigned column, enum pool_target_type type)
{
    const char *target = target_name(type);
    struct pool_error *err = target ? pool__misread(r) : NULL;
    struct pool__field field;
    char label[LABEL_SIZE], value[SHOWN_MAX + 4];
    if (!err)
        return false;
    label_column(label, r, column);
    const char *text = pool_get_text(r, column);
    if (!text || !pool__find_field(r, column, &field))
        return pool__fail(err, POOL_ERR_NOMEM, "%s: out of memory for a text", label);
    if (field.column->type == POOL_TYPE_BYTES ||
        pool__value_utf8_length(text, strlen(text)) < strlen(text))
        return pool__fail(err, POOL_ERR_INVALID, "%s: %zu bytes do not fit %s", label, field.len,
                          target);
    show(value, text, strlen(text));
    return pool__fail(err, POOL_ERR_INVALID, "%s: the value '%s' does not fit %s", label, value,
                      target);
}

static const char *wrong_with_target(const struct pool_target *target)
{
    if (target->type == POOL_TO_SKIP)
        return "an untyped pointer";
    if (target->type == POOL_TO_NEW_TEXT)
        return "a char *, which is for POOL_QUERY_ONE; a const char * is borrowed";
    return target_name(target->type) ? "a pointer to a variable, but NULL"
                                     : "of no type that there is";
}

/* No row is no mistake: a result may have none. Not to have asked for it is one. */
bool pool__misread_scan(struct pool_result *result, const struct pool_target *targets, size_t count,
                        size_t first_wrong)
{
    if (!result || !result->set || (!result->row && result->started))
        return false;
    if (!result->row)
        return pool__fail(pool__misread(result), POOL_ERR_INVALID,
                          "there is no row yet: pool_next goes to the first");
    if (count > result->set->count)
        return pool__fail(pool__misread(result), POOL_ERR_INVALID,
                          "%zu variables were given for %u column%s", count, result->set->count,
                          result->set->count == 1 ? "" : "s");
    if (!targets)
        return pool__fail(pool__misread(result), POOL_ERR_INVALID, "the variables are NULL");
    const struct pool_target *target = &targets[first_wrong];
    if (pool__target_is_valid(target))
        return blame_value(result, (unsigned)first_wrong, target->type);
    return pool__fail(pool__misread(result), POOL_ERR_INVALID, "variable %zu is %s",
                      first_wrong + 1, wrong_with_target(target));
}

static void list_names(char *list, size_t size, const struct pool__set *set)
{
    size_t len = 0;
    list[0] = '\0';
    for (unsigned i = 0; i < set->count && len + SHOWN_MAX + 16 < size; i++) {
        char name[SHOWN_MAX + 4];
        show(name, set->columns[i].name, strlen(set->columns[i].name));
        len += (size_t)snprintf(list + len, size - len, "%s'%s'", i ? ", " : "", name);
    }
}

void pool__misread_name(struct pool_result *result, const char *name, bool ambiguous)
{
    char shown[SHOWN_MAX + 4], names[300];
    struct pool_error *err = pool__misread(result);
    if (!err)
        return;
    if (!name) {
        pool__fail(err, POOL_ERR_INVALID, "the name of a column is NULL");
        return;
    }
    show(shown, name, strlen(name));
    list_names(names, sizeof names, result->set);
    if (ambiguous)
        pool__fail(err, POOL_ERR_INVALID, "several columns have the name '%s', among %s", shown,
                   names);
    else
        pool__fail(err, POOL_ERR_INVALID, "no column has the name '%s', of %s", shown,
                   names[0] ? names : "none");
}
