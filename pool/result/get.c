/*
 * The values of the current row, each asked for on its own: the getters convert as far
 * as it goes and give nothing (0, NULL, false) for what is not there. Texts that have to
 * be made are kept with their row.
 */
#include "result/decode.h"
#include "result/field.h"
#include "result/layout.h"

#include <string.h>

bool pool_is_null(const struct pool_result *result, unsigned column)
{
    struct pool__field field;
    return !pool__find_field(result, column, &field);
}

int64_t pool_get_int(const struct pool_result *result, unsigned column)
{
    struct pool__field field;
    return pool__find_field(result, column, &field) ? pool__field_int(&field) : 0;
}

uint64_t pool_get_uint(const struct pool_result *result, unsigned column)
{
    struct pool__field field;
    return pool__find_field(result, column, &field) ? pool__field_uint(&field) : 0;
}

double pool_get_double(const struct pool_result *result, unsigned column)
{
    struct pool__field field;
    return pool__find_field(result, column, &field) ? pool__field_double(&field) : 0;
}

bool pool_get_time(const struct pool_result *result, unsigned column, struct pool_time *ret_time)
{
    struct pool__field field;
    return pool__find_field(result, column, &field) && pool__field_time(&field, ret_time);
}

static bool make_text_table(struct pool_result *r)
{
    size_t size = r->set->count * sizeof *r->row->texts;
    if (r->row->texts)
        return true;
    r->row->texts = pool__result_take(r, size);
    if (!r->row->texts)
        return false;
    memset(r->row->texts, 0, size);
    return true;
}

static const char *make_text(struct pool_result *r, unsigned column,
                             const struct pool__field *field)
{
    char formatted[POOL__TEXT_SIZE];
    const void *from = field->data;
    size_t len = field->len;
    if (!make_text_table(r))
        return NULL;
    if (r->row->texts[column])
        return r->row->texts[column];
    if (field->column->form != POOL__WIRE_CHARS) {
        len = pool__field_format(field, formatted);
        from = formatted;
    }
    char *text = pool__result_take(r, len + 1);
    if (!text)
        return NULL;
    memcpy(text, from, len);
    text[len] = '\0';
    r->row->texts[column] = text;
    return text;
}

const char *pool_get_text(struct pool_result *result, unsigned column)
{
    struct pool__field field;
    if (!pool__find_field(result, column, &field))
        return NULL;
    if (field.column->form == POOL__WIRE_CHARS && !result->streaming)
        return (const char *)field.data;
    return make_text(result, column, &field);
}

const void *pool_get_bytes(struct pool_result *result, unsigned column, size_t *ret_len)
{
    struct pool__field field;
    const void *data = NULL;
    size_t len = 0;
    if (pool__find_field(result, column, &field)) {
        bool chars = field.column->form == POOL__WIRE_CHARS;
        data = chars ? field.data : (const void *)make_text(result, column, &field);
        len = chars ? field.len : data ? strlen(data) : 0;
    }
    if (ret_len)
        *ret_len = len;
    return data;
}
