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
#include "result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "error.h"

/* glibc serves blocks of up to 1032 bytes from a cache of the thread. */
#define FIRST_SIZE 1024
#define CHUNK_MIN 4096
#define CHUNK_MAX (256 * 1024)
#define COLUMNS_MAX (1u << 20)
#define NAME_MAX_BYTES 1024 /* 256 characters, the longest alias */

struct chunk {
    struct chunk *next; /* the one before in time */
    size_t size;        /* of what follows */
    _Alignas(8) uint8_t bytes[];
};

struct row {
    struct row *next;
    const char **texts; /* one per column once any was made, else NULL */
    struct pool__cell cells[];
};

struct set {
    struct set *next;
    struct pool__column *columns;
    unsigned count;
    unsigned warnings;
    bool binary;
    struct row *first_row;
    struct row *last_row;
    uint64_t rows;
    uint64_t affected;
    uint64_t insert_id;
};

struct arena {
    uint8_t *next; /* free memory, `left` bytes of it, aligned to 8 */
    size_t left;
    struct chunk *chunks; /* newest first */
    size_t bytes;         /* counted against max_bytes, never above it */
};

struct pool_result {
    struct arena arena;
    struct arena mark;   /* as it was after the columns of the set being built */
    struct chunk *spare; /* for streaming; NULL or one */
    size_t chunk_size;   /* of the next chunk */
    uint64_t max_rows;
    size_t max_bytes;
    uint64_t rows; /* of all sets */

    struct set *first;    /* NULL before the first begin_set; then always &first_set */
    struct set *building; /* the last one */
    struct set *set;      /* current */
    struct row *row;      /* current, NULL if none */
    const uint8_t *data;  /* what the cells of `row` refer to */
    bool started;         /* pool_next was called in this set */
    bool streaming;       /* `row` is not in the set's list, its texts have no NUL */

    struct set first_set;
    _Alignas(8) uint8_t bytes[];
};

/* ---- arena ---- */

static struct chunk *take_chunk(struct pool_result *r, size_t size)
{
    struct chunk *chunk = r->spare;
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
static void *grow(struct pool_result *r, size_t size)
{
    bool own = size > r->chunk_size / 4;
    struct chunk *chunk = take_chunk(r, own ? size : r->chunk_size);
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

static inline void *take(struct pool_result *r, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    if (size > r->arena.left)
        return grow(r, size);
    void *memory = r->arena.next;
    r->arena.next += size;
    r->arena.left -= size;
    return memory;
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
    void *memory = take(r, size);
    if (!memory)
        pool__fail(err, POOL_ERR_NOMEM, "out of memory for a result after %llu rows",
                   (unsigned long long)r->rows);
    else
        r->arena.bytes += size;
    return memory;
}

/* Goes back to the mark. Of the chunks that were added since, the biggest stays. */
static void reset_to_mark(struct pool_result *r)
{
    struct chunk *chunk = r->arena.chunks;
    while (chunk != r->mark.chunks) {
        struct chunk *next = chunk->next;
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

void pool_result_free(struct pool_result *result)
{
    if (!result)
        return;
    struct chunk *chunk = result->arena.chunks;
    while (chunk) {
        struct chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    free(result->spare);
    free(result);
}

/* ---- building ---- */

static bool fail_malformed(struct pool_error *err, const char *what, uint64_t row, unsigned column)
{
    unsigned long long number = row + 1;
    if (column > 0)
        pool__fail(err, POOL_ERR_LOST, "malformed row %llu, column %u: %s", number, column, what);
    else
        pool__fail(err, POOL_ERR_LOST, "malformed row %llu: %s", number, what);
    if (err)
        err->fatal = true;
    return false;
}

/* The name is cut between two characters. Its length as announced by the server is an
 * upper bound only: there may be a NUL before, and some servers send none at all. */
static bool copy_name(struct pool_result *r, struct pool__column *column, const MYSQL_FIELD *field,
                      struct pool_error *err)
{
    size_t len = field->name ? strnlen(field->name, field->name_length) : 0;
    if (len > NAME_MAX_BYTES) {
        len = NAME_MAX_BYTES;
        while (len > 0 && ((unsigned char)field->name[len] & 0xC0) == 0x80)
            len--;
    }
    char *name = take_counted(r, len + 1, err);
    if (!name)
        return false;
    if (len > 0)
        memcpy(name, field->name, len);
    name[len] = '\0';
    column->name = name;
    return true;
}

static bool copy_columns(struct pool_result *r, struct set *set, const MYSQL_FIELD *fields,
                         struct pool_error *err)
{
    if (set->count > COLUMNS_MAX || (set->count > 0 && !fields)) {
        pool__fail(err, POOL_ERR_LOST, "malformed result: %u columns", set->count);
        if (err)
            err->fatal = true;
        return false;
    }
    set->columns = take_counted(r, set->count * sizeof *set->columns, err);
    if (!set->columns)
        return false;
    for (unsigned i = 0; i < set->count; i++) {
        pool__column_describe(&set->columns[i], &fields[i], set->binary);
        if (!copy_name(r, &set->columns[i], &fields[i], err))
            return false;
    }
    return true;
}

bool pool__result_begin_set(struct pool_result *result, const MYSQL_FIELD *fields, unsigned count,
                            bool binary, struct pool_error *err)
{
    if (result->streaming)
        pool__result_drop_rows(result);
    struct set *set = result->first ? take_counted(result, sizeof *set, err) : &result->first_set;
    if (!set)
        return false;
    *set = (struct set){.count = count, .binary = binary};
    if (!copy_columns(result, set, fields, err))
        return false;
    if (result->building)
        result->building->next = set;
    else
        result->first = result->set = set;
    result->building = set;
    result->mark = result->arena;
    return true;
}

/* Makes room for a row with `extra` bytes behind its cells, and fills in the cells. */
static struct row *read_row(struct pool_result *r, const uint8_t *packet, size_t len, size_t extra,
                            struct pool_error *err)
{
    const struct set *set = r->building;
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
    struct row *row = take_counted(r, sizeof *row + table + extra, err);
    if (!row)
        return NULL;
    row->next = NULL;
    row->texts = NULL;
    const char *wrong = pool__row_split(set->columns, set->count, set->binary, packet, len,
                                        row->cells, &column);
    if (!wrong)
        return row;
    fail_malformed(err, wrong, set->rows, column);
    return NULL;
}

static uint8_t *stored_data(const struct set *set, struct row *row)
{
    return (uint8_t *)(row->cells + set->count);
}

/* Moves the values behind the cells of their row, and a NUL behind those that came with
 * a length. */
static void store_values(const struct set *set, struct row *row, const uint8_t *packet)
{
    uint8_t *data = stored_data(set, row);
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
    struct row *row = read_row(result, packet, len, len, err);
    if (!row)
        return false;
    struct set *set = result->building;
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
    struct row *row = read_row(result, packet, len, 0, err);
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
    struct set *set = result->building;
    if (result->streaming)
        pool__result_drop_rows(result);
    if (set) {
        set->affected = affected;
        set->insert_id = insert_id;
        set->warnings = warnings;
    }
    pool_rewind(result);
}

uint64_t pool__result_rows(const struct pool_result *result)
{
    return result ? result->rows : 0;
}

/* ---- position ---- */

static void go_to_set(struct pool_result *r, struct set *set)
{
    r->set = set;
    r->row = NULL;
    r->started = false;
}

bool pool_next(struct pool_result *result)
{
    if (!result || !result->set)
        return false;
    if (result->started)
        result->row = result->row ? result->row->next : NULL;
    else
        result->row = result->set->first_row;
    result->started = true;
    if (result->row)
        result->data = stored_data(result->set, result->row);
    return result->row != NULL;
}

bool pool_next_set(struct pool_result *result)
{
    if (!result || !result->set || !result->set->next)
        return false;
    go_to_set(result, result->set->next);
    return true;
}

void pool_rewind(struct pool_result *result)
{
    if (result)
        go_to_set(result, result->first);
}

/* ---- the set ---- */

static const struct set *current_set(const struct pool_result *result)
{
    static const struct set none;
    return result && result->set ? result->set : &none;
}

unsigned pool_column_count(const struct pool_result *result)
{
    return current_set(result)->count;
}

const char *pool_column_name(const struct pool_result *result, unsigned column)
{
    const struct set *set = current_set(result);
    return column < set->count ? set->columns[column].name : NULL;
}

enum pool_type pool_column_type(const struct pool_result *result, unsigned column)
{
    const struct set *set = current_set(result);
    return column < set->count ? (enum pool_type)set->columns[column].type : POOL_TYPE_NULL;
}

int pool_column_index(const struct pool_result *result, const char *name)
{
    const struct set *set = current_set(result);
    for (unsigned i = 0; name && i < set->count; i++)
        if (strcmp(set->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

uint64_t pool_row_count(const struct pool_result *result)
{
    return current_set(result)->rows;
}

uint64_t pool_affected_rows(const struct pool_result *result)
{
    return current_set(result)->affected;
}

uint64_t pool_insert_id(const struct pool_result *result)
{
    return current_set(result)->insert_id;
}

unsigned pool_warning_count(const struct pool_result *result)
{
    return current_set(result)->warnings;
}

/* ---- values ---- */

/* False if there is no such value, or it is NULL. */
static inline bool find_field(const struct pool_result *r, unsigned column,
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

bool pool_is_null(const struct pool_result *result, unsigned column)
{
    struct pool__field field;
    return !find_field(result, column, &field);
}

int64_t pool_get_int(const struct pool_result *result, unsigned column)
{
    struct pool__field field;
    return find_field(result, column, &field) ? pool__field_int(&field) : 0;
}

uint64_t pool_get_uint(const struct pool_result *result, unsigned column)
{
    struct pool__field field;
    return find_field(result, column, &field) ? pool__field_uint(&field) : 0;
}

double pool_get_double(const struct pool_result *result, unsigned column)
{
    struct pool__field field;
    return find_field(result, column, &field) ? pool__field_double(&field) : 0;
}

bool pool_get_time(const struct pool_result *result, unsigned column, struct pool_time *ret_time)
{
    struct pool__field field;
    return find_field(result, column, &field) && pool__field_time(&field, ret_time);
}

static bool make_text_table(struct pool_result *r)
{
    size_t size = r->set->count * sizeof *r->row->texts;
    if (r->row->texts)
        return true;
    r->row->texts = take(r, size);
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
    if (field->column->form != POOL__FORM_CHARS) {
        len = pool__field_format(field, formatted);
        from = formatted;
    }
    char *text = take(r, len + 1);
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
    if (!find_field(result, column, &field))
        return NULL;
    if (field.column->form == POOL__FORM_CHARS && !result->streaming)
        return (const char *)field.data;
    return make_text(result, column, &field);
}

const void *pool_get_bytes(struct pool_result *result, unsigned column, size_t *ret_len)
{
    struct pool__field field;
    const void *data = NULL;
    size_t len = 0;
    if (find_field(result, column, &field)) {
        bool chars = field.column->form == POOL__FORM_CHARS;
        data = chars ? field.data : (const void *)make_text(result, column, &field);
        len = chars ? field.len : data ? strlen(data) : 0;
    }
    if (ret_len)
        *ret_len = len;
    return data;
}

/* ---- POOL_SCAN ---- */

static const struct integer_range {
    uint64_t below; /* the magnitude of the least value */
    uint64_t above;
} integer_ranges[] = {
    [POOL_TO_I8] = {128, INT8_MAX},         [POOL_TO_U8] = {0, UINT8_MAX},
    [POOL_TO_I16] = {32768, INT16_MAX},     [POOL_TO_U16] = {0, UINT16_MAX},
    [POOL_TO_I32] = {2147483648u, INT32_MAX}, [POOL_TO_U32] = {0, UINT32_MAX},
    [POOL_TO_I64] = {UINT64_C(1) << 63, INT64_MAX}, [POOL_TO_U64] = {0, UINT64_MAX},
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
    if (!pool__number_integer(number, &negative, &magnitude) ||
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
    double real = pool__number_double(&number);
    switch (type) {
    case POOL_TO_BOOL: ret->b = real != 0; return true;
    case POOL_TO_DOUBLE: ret->d = real; return true;
    case POOL_TO_FLOAT:
        ret->f = (float)real;
        return isfinite(ret->f) || !isfinite(real);
    default: return scan_integer(&number, type, ret);
    }
}

static inline bool scan_column(struct pool_result *r, unsigned column, enum pool_target_type type,
                               union scanned *ret)
{
    struct pool__field field;
    if (!find_field(r, column, &field)) {
        memset(ret, 0, sizeof *ret);
        return true;
    }
    switch (type) {
    case POOL_TO_TEXT: ret->text = pool_get_text(r, column); return ret->text != NULL;
    case POOL_TO_BYTES:
        ret->bytes.data = pool_get_bytes(r, column, &ret->bytes.len);
        return ret->bytes.data != NULL;
    case POOL_TO_TIME: return pool__field_time(&field, &ret->time);
    default: return scan_number(&field, type, ret);
    }
}

static bool is_target_valid(const struct pool_target *target)
{
    return (unsigned)target->type <= POOL_TO_TIME && target->to;
}

/* Nothing is written before every value is known to fit. The first values are kept for
 * the writing; the others are read again, which cannot fail, since texts are remembered. */
bool pool_scan(struct pool_result *result, const struct pool_target *targets, size_t count)
{
    union scanned first[8], other;
    if (!result || !result->row || count > result->set->count || (count > 0 && !targets))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (!is_target_valid(&targets[i]) ||
            !scan_column(result, i, targets[i].type, i < 8 ? &first[i] : &other))
            return false;
    for (unsigned i = 0; i < count; i++) {
        if (i >= 8)
            scan_column(result, i, targets[i].type, &other);
        memcpy(targets[i].to, i < 8 ? &first[i] : &other, target_sizes[targets[i].type]);
    }
    return true;
}
