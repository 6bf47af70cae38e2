/*
 * What a column is: its type, and how its values look on the wire. The one file of result/ that
 * knows libmariadb's description of it.
 */
#include "result/column.h"

#include "sql/number.h"

#include <mysql.h>
#include <string.h>

#define CHARSET_BINARY 63
#define WIDTH_MAX 255

static enum pool_type type_of(const MYSQL_FIELD *field)
{
    switch (field->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG: return field->flags & UNSIGNED_FLAG ? POOL_TYPE_UINT : POOL_TYPE_INT;
    case MYSQL_TYPE_YEAR:
    case MYSQL_TYPE_BIT: return POOL_TYPE_UINT;
    case MYSQL_TYPE_FLOAT: return POOL_TYPE_FLOAT;
    case MYSQL_TYPE_DOUBLE: return POOL_TYPE_DOUBLE;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL: return POOL_TYPE_DECIMAL;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE: return POOL_TYPE_DATE;
    case MYSQL_TYPE_TIME: return POOL_TYPE_TIME;
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP: return POOL_TYPE_DATETIME;
    case MYSQL_TYPE_NULL: return POOL_TYPE_NULL;
    case MYSQL_TYPE_JSON: return POOL_TYPE_TEXT; /* MySQL calls its character set binary */
    case MYSQL_TYPE_GEOMETRY: return POOL_TYPE_BYTES;
    default: return field->charsetnr == CHARSET_BINARY ? POOL_TYPE_BYTES : POOL_TYPE_TEXT;
    }
}

static uint8_t fixed_size(enum enum_field_types wire)
{
    switch (wire) {
    case MYSQL_TYPE_TINY: return 1;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR: return 2;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_FLOAT: return 4;
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE: return 8;
    default: return 0;
    }
}

/* Unknown types count as characters: every type since 4.1 travels like that, and a
 * wrong guess is found when the row is split. */
static enum pool__wire_form form_of(enum pool_type type, enum enum_field_types wire, bool binary)
{
    if (wire == MYSQL_TYPE_BIT)
        return POOL__WIRE_BIT;
    if (!binary)
        return POOL__WIRE_CHARS;
    switch (type) {
    case POOL_TYPE_INT: return POOL__WIRE_SIGNED;
    case POOL_TYPE_UINT: return POOL__WIRE_UNSIGNED;
    case POOL_TYPE_FLOAT: return POOL__WIRE_FLOAT;
    case POOL_TYPE_DOUBLE: return POOL__WIRE_DOUBLE;
    case POOL_TYPE_DATE:
    case POOL_TYPE_DATETIME: return POOL__WIRE_MOMENT;
    case POOL_TYPE_TIME: return POOL__WIRE_SPAN;
    case POOL_TYPE_NULL: return POOL__WIRE_NOTHING;
    default: return POOL__WIRE_CHARS;
    }
}

/* More than there may be means as many as needed. */
static uint8_t decimals_of(enum pool_type type, unsigned decimals)
{
    unsigned most = pool__is_real_type(type) ? POOL__ANY_DECIMALS - 1 : 6;
    return (uint8_t)(decimals <= most ? decimals : most + 1);
}

static void describe(struct pool__column *ret_column, const MYSQL_FIELD *field, bool binary)
{
    enum pool_type type = type_of(field);
    enum pool__wire_form form = form_of(type, field->type, binary);
    unsigned long width = field->length < WIDTH_MAX ? field->length : WIDTH_MAX;
    bool bits = form == POOL__WIRE_UNSIGNED || (binary && pool__is_real_type(type));
    bool filled = bits && field->flags & ZEROFILL_FLAG;
    ret_column->width = filled ? (uint32_t)width : 0;
    ret_column->type = (uint8_t)type;
    ret_column->form = (uint8_t)form;
    ret_column->size = binary ? fixed_size(field->type) : 0;
    ret_column->decimals = decimals_of(type, field->decimals);
}

void pool__column_describe(struct pool__column *ret_column, const struct st_mysql_field *fields,
                           unsigned index, bool binary, const char **ret_name, size_t *ret_len)
{
    const MYSQL_FIELD *field = &fields[index];
    describe(ret_column, field, binary);
    /* What the server announces is an upper bound only: there may be a NUL before, and some
     * servers send no name at all. */
    *ret_name = field->name ? field->name : "";
    *ret_len = field->name ? strnlen(field->name, field->name_length) : 0;
}
