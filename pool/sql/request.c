/*
 * One block of memory holds it all: values first, because they need alignment, then the
 * bytes of texts, names and lists. It is walked twice, to measure and to copy. Values have
 * been checked before: a length without data does not get here. threads: any.
 */
#include "sql/request.h"

#include "base/error.h"
#include "base/reserved.h"
#include "sql/value.h"

#include <string.h>

bool pool__request_check(const struct pool_request *request, struct pool_error *err)
{
    if (!request)
        return pool__fail(err, POOL_ERR_INVALID, "the request is NULL");
    if (!request->sql)
        return pool__fail(err, POOL_ERR_INVALID, "the SQL is NULL");
    if (request->args.count && !request->args.values)
        return pool__fail(err, POOL_ERR_INVALID,
                          "the number of values is %zu, but the pointer to them is NULL",
                          request->args.count);
    return pool__reserved_check(request->reserved, sizeof request->reserved, "the request", err);
}

/* Where the next value and the next byte go; while measuring both count from 0. */
struct space {
    struct pool_value *values; /* NULL: measure only */
    char *bytes;
    size_t value_count;
    size_t byte_count;
};

static const char *keep(struct space *space, const void *data, size_t len)
{
    size_t at = space->byte_count;
    space->byte_count += len + 1;
    if (!space->values)
        return NULL;
    if (len > 0)
        memcpy(space->bytes + at, data, len);
    space->bytes[at + len] = '\0';
    return space->bytes + at;
}

static const char *keep_text(struct space *space, const char *text)
{
    return text ? keep(space, text, strlen(text)) : NULL;
}

static const struct pool_value *keep_values(struct space *space, const struct pool_value *values,
                                            size_t count);

static void keep_value(struct space *space, struct pool_value *copy, const struct pool_value *value)
{
    struct pool_value now = *value;
    now.name = keep_text(space, value->name);
    if (pool__value_has_bytes(value))
        now.as.bytes.data = keep(space, value->as.bytes.data, value->as.bytes.len);
    else if (value->type == POOL_TYPE_LIST)
        now.as.list.values = keep_values(space, value->as.list.values, value->as.list.count);
    if (copy)
        *copy = now;
}

static const struct pool_value *keep_values(struct space *space, const struct pool_value *values,
                                            size_t count)
{
    size_t at = space->value_count;
    space->value_count += count;
    for (size_t i = 0; i < count; i++)
        keep_value(space, space->values ? &space->values[at + i] : NULL, &values[i]);
    return space->values ? &space->values[at] : NULL;
}

static void walk(struct space *space, struct pool_request *ret_request,
                 const struct pool_request *request)
{
    size_t len = request->sql_len ? request->sql_len : strlen(request->sql);
    struct pool_request copy = *request;
    copy.args.values = keep_values(space, request->args.values, request->args.count);
    copy.sql = keep(space, request->sql, len);
    copy.sql_len = len;
    copy.label = keep_text(space, request->label);
    if (ret_request)
        *ret_request = copy;
}

size_t pool__request_size(const struct pool_request *request)
{
    struct space space = {NULL, NULL, 0, 0};
    walk(&space, NULL, request);
    return space.value_count * sizeof(struct pool_value) + space.byte_count;
}

void pool__request_copy(struct pool_request *ret_request, const struct pool_request *request,
                        void *memory)
{
    struct space space = {NULL, NULL, 0, 0};
    walk(&space, NULL, request);
    space = (struct space){memory, (char *)memory + space.value_count * sizeof(struct pool_value),
                           0, 0};
    walk(&space, ret_request, request);
}
