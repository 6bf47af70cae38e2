/*
 * Making a statement ready on the caller's own account: what is wrong with its values is
 * said before it waits for a connection, and whoever runs it finds its name in the cache
 * (the hash) without reading the text again. No locks, no I/O.
 */
#include "sql/statement.h"

#include "base/error.h"
#include "sql/hash.h"
#include "sql/value.h"

#include <stdlib.h>
#include <string.h>

static size_t size_of_values(const struct pool_value *const *values, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += 16 + (pool__value_has_bytes(values[i]) ? values[i]->as.bytes.len : 0);
    return size;
}

static bool point_to_values(struct pool__statement *statement, struct pool_error *err)
{
    size_t count = statement->args.count;
    const struct pool_value **values = statement->few;
    if (!pool__value_check_args(statement->args, err))
        return false;
    if (count > POOL__FEW_VALUES) {
        statement->many = values = malloc(count * sizeof(struct pool_value *));
        if (!values)
            return pool__fail(err, POOL_ERR_NOMEM, "out of memory for %zu values", count);
    }
    for (size_t i = 0; i < count; i++)
        values[i] = &statement->args.values[i];
    statement->values = values;
    statement->count = count;
    return true;
}

static bool expand(struct pool__statement *statement, struct pool_error *err)
{
    struct pool__expanded *expanded = &statement->expanded;
    if (!pool__expand(statement->text, statement->text_len, statement->args, expanded, err))
        return false;
    statement->sql = expanded->sql;
    statement->len = expanded->len;
    statement->values = (const struct pool_value *const *)expanded->values;
    statement->count = expanded->count;
    return true;
}

/* Literals may take twice as many bytes. Lists and names are rare enough to be left out. */
static size_t size_as_text(const struct pool__statement *statement)
{
    size_t size = statement->text_len;
    for (size_t i = 0; i < statement->args.count; i++) {
        const struct pool_value *value = &statement->args.values[i];
        bool has_bytes = pool__value_has_bytes(value);
        if (value->type == POOL_TYPE_LIST || value->name ||
            (has_bytes && value->as.bytes.len > SIZE_MAX / 4 - size))
            return SIZE_MAX;
        size += 64 + (has_bytes ? 2 * value->as.bytes.len : 0);
    }
    return size;
}

static bool is_special(const struct pool_value *value)
{
    const struct pool_bytes *bytes = &value->as.bytes;
    return value->type == POOL_TYPE_TEXT && bytes->data &&
           (memchr(bytes->data, '\\', bytes->len) || memchr(bytes->data, '\0', bytes->len));
}

/* The values may not have been checked yet. */
bool pool__statement_has_special_text(const struct pool__statement *statement)
{
    for (size_t i = 0; statement->args.values && i < statement->args.count; i++) {
        const struct pool_value *value = &statement->args.values[i];
        bool is_list = value->type == POOL_TYPE_LIST;
        if (!is_list && is_special(value))
            return true;
        for (size_t k = 0; is_list && value->as.list.values && k < value->as.list.count; k++)
            if (is_special(&value->as.list.values[k]))
                return true;
    }
    return false;
}

/* `few` is left as it is: to clear its 128 bytes would cost every call. */
bool pool__statement_init(struct pool__statement *statement, const struct pool_request *request,
                          bool no_prepare, struct pool_error *err)
{
    statement->text = request->sql;
    statement->text_len = request->sql_len ? request->sql_len : strlen(request->sql);
    statement->args = request->args;
    statement->as_text = no_prepare || request->text;
    statement->own = false;
    statement->depends_on_quotes =
        statement->as_text && pool__statement_has_special_text(statement);
    statement->sql = statement->text;
    statement->len = statement->text_len;
    statement->hash = 0;
    statement->values = NULL;
    statement->count = 0;
    statement->size = 0;
    statement->expanded = (struct pool__expanded){0};
    statement->many = NULL;
    if (no_prepare && !request->text) {
        statement->hash = pool__hash_text(statement->text, statement->text_len);
        statement->size = size_as_text(statement);
    }
    if (statement->as_text)
        return true;
    if (pool__expand_is_needed(statement->args) ? !expand(statement, err)
                                                : !point_to_values(statement, err))
        return false;
    statement->hash = pool__hash_text(statement->sql, statement->len);
    statement->size = statement->len + size_of_values(statement->values, statement->count);
    return true;
}

bool pool__statement_check_count(const struct pool__sql_info *info, size_t count,
                                 struct pool_error *err)
{
    if (info->named)
        return pool__fail(err, POOL_ERR_INVALID,
                          "the statement has :name placeholders but no named values were given");
    return pool__inspect_takes(info, count) ||
           pool__fail(err, POOL_ERR_INVALID,
                      "the statement has %u placeholder%s but %zu value%s given",
                      info->placeholders, info->placeholders == 1 ? "" : "s", count,
                      count == 1 ? " was" : "s were");
}

void pool__statement_fini(struct pool__statement *statement)
{
    pool__expand_free(&statement->expanded);
    free(statement->many);
}
