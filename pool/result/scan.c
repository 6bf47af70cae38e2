/*
 * POOL_SCAN: a whole row into variables, or nothing. Unlike the getters it refuses what
 * does not fit, and misread.c says why.
 */
#include "result/field.h"
#include "result/layout.h"
#include "result/misread.h"

#include <math.h>
#include <string.h>

static const struct integer_range {
    uint64_t below; /* the magnitude of the least value */
    uint64_t above;
} integer_ranges[] = {
    [POOL_TO_I8] = {128, INT8_MAX},
    [POOL_TO_U8] = {0, UINT8_MAX},
    [POOL_TO_I16] = {32768, INT16_MAX},
    [POOL_TO_U16] = {0, UINT16_MAX},
    [POOL_TO_I32] = {2147483648u, INT32_MAX},
    [POOL_TO_U32] = {0, UINT32_MAX},
    [POOL_TO_I64] = {UINT64_C(1) << 63, INT64_MAX},
    [POOL_TO_U64] = {0, UINT64_MAX},
};

/* What a variable will be given; all zero for NULL. */
union scanned {
    bool b;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float f;
    double d;
    const char *text;
    struct pool_bytes bytes;
    struct pool_time time;
};

static const size_t target_sizes[] = {
    [POOL_TO_BOOL] = sizeof(bool),
    [POOL_TO_I8] = 1,
    [POOL_TO_U8] = 1,
    [POOL_TO_I16] = 2,
    [POOL_TO_U16] = 2,
    [POOL_TO_I32] = 4,
    [POOL_TO_U32] = 4,
    [POOL_TO_I64] = 8,
    [POOL_TO_U64] = 8,
    [POOL_TO_FLOAT] = sizeof(float),
    [POOL_TO_DOUBLE] = sizeof(double),
    [POOL_TO_TEXT] = sizeof(const char *),
    [POOL_TO_BYTES] = sizeof(struct pool_bytes),
    [POOL_TO_TIME] = sizeof(struct pool_time),
};

static bool scan_integer(const struct pool__number *number, enum pool_target_type type,
                         union scanned *ret)
{
    const struct integer_range *range = &integer_ranges[type];
    uint64_t magnitude;
    bool negative;
    if (!pool__field_number_integer(number, &negative, &magnitude) ||
        magnitude > (negative ? range->below : range->above))
        return false;
    uint64_t bits = negative ? 0 - magnitude : magnitude;
    switch (target_sizes[type]) {
    case 1: ret->u8 = (uint8_t)bits; break;
    case 2: ret->u16 = (uint16_t)bits; break;
    case 4: ret->u32 = (uint32_t)bits; break;
    default: ret->u64 = bits; break;
    }
    return true;
}

static bool scan_number(const struct pool__field *field, enum pool_target_type type,
                        union scanned *ret)
{
    struct pool__number number;
    if (!pool__field_number(field, &number))
        return false;
    double real = pool__field_number_double(&number);
    switch (type) {
    case POOL_TO_BOOL: ret->b = real != 0; return true;
    case POOL_TO_DOUBLE: ret->d = real; return true;
    case POOL_TO_FLOAT: ret->f = (float)real; return isfinite(ret->f) || !isfinite(real);
    default: return scan_integer(&number, type, ret);
    }
}

static inline bool scan_column(struct pool_result *r, unsigned column, enum pool_target_type type,
                               union scanned *ret)
{
    struct pool__field field;
    if (!pool__find_field(r, column, &field)) {
        memset(ret, 0, sizeof *ret);
        return true;
    }
    switch (type) {
    case POOL_TO_SKIP: return true;
    case POOL_TO_TEXT: ret->text = pool_get_text(r, column); return ret->text != NULL;
    case POOL_TO_BYTES:
        ret->bytes.data = pool_get_bytes(r, column, &ret->bytes.len);
        return ret->bytes.data != NULL;
    case POOL_TO_TIME: return pool__field_time(&field, &ret->time);
    default: return scan_number(&field, type, ret);
    }
}

/* One store for what most variables are. */
static inline void write_variable(const struct pool_target *target, const union scanned *value)
{
    size_t size = target_sizes[target->type];
    if (size == 8)
        memcpy(target->to, value, 8);
    else if (size == 4)
        memcpy(target->to, value, 4);
    else
        memcpy(target->to, value, size);
}

/* Nothing is written before every value is known to fit. The first values are kept for
 * the writing; the others are read again, which cannot fail, since texts are remembered. */
bool pool_scan(struct pool_result *result, const struct pool_target *targets, size_t count)
{
    union scanned first[8], other;
    if (!result || !result->row || count > result->set->count || (count > 0 && !targets))
        return pool__misread_scan(result, targets, count, 0);
    for (unsigned i = 0; i < count; i++)
        if (!pool__target_is_valid(&targets[i]) ||
            !scan_column(result, i, targets[i].type, i < 8 ? &first[i] : &other))
            return pool__misread_scan(result, targets, count, i);
    for (unsigned i = 0; i < count; i++) {
        if (!targets[i].to)
            continue;
        if (i >= 8)
            scan_column(result, i, targets[i].type, &other);
        write_variable(&targets[i], i < 8 ? &first[i] : &other);
    }
    return true;
}
