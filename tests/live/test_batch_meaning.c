/*
 * A batch does what its rows do one by one.
 *
 * The same rows go as a batch, one by one and, where the statement allows that, as one text
 * with many rows; the table must look the same. On a server that takes rows in bulk this
 * shows that nothing goes in bulk that must not; elsewhere, that rows keep their types.
 * Statements and columns that a server does not know are left out there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sql/alone.h"
#include "meaning.h"
#include "suite.h"

#define ROWS 7
#define MOST_COLUMNS 4
#define MOST_VALUES 32
#define RUN 20 /* enough to go in bulk */

static struct pool *pool;

/* ---- statements ---- */

/* A letter for each placeholder says what values it gets, see value_of. */
struct shape {
    const char *columns;
    const char *sql;
    const char *select; /* what must be the same; NULL: the table `held` */
};

#define INTO_HELD "INSERT INTO held (n, v) "
#define COUNT_W "SELECT n, v, (SELECT COUNT(DISTINCT w) FROM held) FROM held ORDER BY n"

/* Each value is all of a value in a row, or all that a column is set to or compared with. */
static const struct shape alone[] = {
    {"nv", INTO_HELD "VALUES (?, ?)", NULL},
    {"nv", "INSERT INTO held (n, v) VALUE (?, ?)", NULL},
    {"nv", "insert into held set n = ?, v = ?", NULL},
    {"nv", "INSERT IGNORE INTO held (n, v) VALUES (?, ?)", NULL},
    {"nv", "REPLACE INTO held (n, v) VALUES (?, ?)", NULL},
    {"nv", "REPLACE INTO held SET n = ?, v = ?", NULL},
    {"nvmv", "INSERT IGNORE INTO held (n, v) VALUES (?, ?), (10, 'x'), (?, ?)", NULL},
    {"nv", "INSERT INTO held (n, v, u) VALUES (?, ?, 5)", NULL},
    {"nv", "INSERT INTO held (n, v, u) VALUES (?, ?, -5)", NULL},
    {"nv", "INSERT INTO held (n, v, u) VALUES (?, ?, DEFAULT)", NULL},
    {"nv", "INSERT INTO held (n, v, u) VALUES (?, ?, NULL)", NULL},
    {"nv", "INSERT INTO held (n, v, u) VALUES (?, ?, n + 1)", NULL},
    {"nv", "INSERT INTO held (n, v, u) VALUES (?, ?, v IS NULL)", NULL},
    {"nv", "INSERT INTO held (n, v, u) VALUES (?, ?, COALESCE(LENGTH(v), -1))", NULL},
    {"nv", "INSERT INTO held (n, v, w) VALUES (?, ?, UUID())", COUNT_W},
    {"nv", "INSERT INTO held (n, v, w) VALUES (?, ?, UUID_SHORT())", COUNT_W},
    {"nv", "INSERT INTO held (n, v, u) VALUES (?, ?, NOW() IS NULL)", NULL},
    {"nv", INTO_HELD "VALUES (?, ?) ON DUPLICATE KEY UPDATE v = VALUES(v)", NULL},
    {"nvv", INTO_HELD "VALUES (?, ?) ON DUPLICATE KEY UPDATE v = ?", NULL},
    {"nvm", INTO_HELD "VALUES (?, ?) ON DUPLICATE KEY UPDATE u = ?", NULL},
    {"nvvm", INTO_HELD "VALUES (?, ?) ON DUPLICATE KEY UPDATE v = ?, u = ?", NULL},
    {"nvm", "INSERT INTO held (n, v, u) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE u = u + 1", NULL},
    {"nvm",
     "INSERT INTO held (n, v, u) VALUES (?, ?, ?) "
     "ON DUPLICATE KEY UPDATE u = COALESCE(VALUES(u), u), v = IF(VALUES(v) IS NULL, 'none', "
     "VALUES(v))",
     NULL},
    {"nv", INTO_HELD "VALUES (?, ?) ON DUPLICATE KEY UPDATE v = DEFAULT", NULL},
    {"nv",
     INTO_HELD "VALUES (?, ?) ON DUPLICATE KEY UPDATE u = CASE WHEN VALUES(v) IS NULL THEN 1 "
               "ELSE 2 END",
     NULL},
    {"nv", INTO_HELD "VALUES (?, ?) RETURNING n, v", NULL},
    {"nt", INTO_HELD "VALUES (?, ?)", NULL},
    {"dvv", INTO_HELD "VALUES (?, ?) ON DUPLICATE KEY UPDATE v = ?", NULL},
    {"dvm", "INSERT INTO held (n, v, u) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE u = u + VALUES(u)",
     NULL},
    {"dv", INTO_HELD "VALUES (?, ?) ON DUPLICATE KEY UPDATE v = CONCAT(v, VALUES(v))", NULL},
    {"dv", "REPLACE INTO held (n, v) VALUES (?, ?)", NULL},
    {"dv", "INSERT IGNORE INTO held (n, v) VALUES (?, ?)", NULL},
    {"v", "INSERT INTO counted (v) VALUES (?)", "SELECT * FROM counted ORDER BY k"},
    {"mv", "INSERT INTO counted (k, v) VALUES (?, ?)", "SELECT * FROM counted ORDER BY k"},
    {"nv", "INSERT INTO derived (n, v) VALUES (?, ?)", "SELECT * FROM derived ORDER BY n"},
    {"nv", "INSERT INTO triggered (n, v) VALUES (?, ?)", "SELECT * FROM triggered ORDER BY n"},
    {"nv", "INSERT IGNORE INTO seen (n, v) VALUES (?, ?)", NULL},
    {"vn", "UPDATE held SET v = ? WHERE n = ?", NULL},
    {"mvn", "UPDATE held SET u = ?, v = ? WHERE n = ?", NULL},
    {"vnm", "UPDATE held SET v = ? WHERE n = ? AND u = ?", NULL},
    {"vnv", "UPDATE held SET v = ? WHERE (n = ? OR v = ?)", NULL},
    {"vn", "UPDATE held SET v = ?, u = u + 1 WHERE n = ?", NULL},
    {"vn", "UPDATE held SET held.v = ? WHERE mypool.held.n = ? ORDER BY n LIMIT 1", NULL},
    {"vn", "UPDATE held JOIN city ON held.n = city.id SET held.v = ? WHERE held.n = ?", NULL},
    {"vd", "UPDATE held SET v = ? WHERE n = ?", NULL},
    {"n", "DELETE FROM held WHERE n = ?", NULL},
    {"nv", "DELETE FROM held WHERE n = ? AND v = ?", NULL},
};

/* Here MariaDB would take for all rows what it has worked out for the first, or might. */
static const struct shape not_alone[] = {
    {"nv", INTO_HELD "VALUES (?, ?) ON DUPLICATE KEY UPDATE u = LAST_INSERT_ID(n)", NULL},
    {"nv", INTO_HELD "VALUES (?, (SELECT id FROM city WHERE name = ?))", NULL},
    {"nnv", INTO_HELD "VALUES (?, EXISTS (SELECT 1 FROM city WHERE id = ? * 11 AND name = ?))",
     NULL},
    {"nv", INTO_HELD "VALUES (?, ? IN (SELECT name FROM city))", NULL},
    {"nv", INTO_HELD "VALUES (?, IF(? IS NULL, 'none', 'some'))", NULL},
    {"nv", INTO_HELD "VALUES (?, ? IS NULL)", NULL},
    {"nv", INTO_HELD "VALUES (?, CASE WHEN ? IS NULL THEN 'none' ELSE 'some' END)", NULL},
    {"nv", INTO_HELD "VALUES (?, COALESCE(?, 'x'))", NULL},
    {"nv", INTO_HELD "VALUES (?, CONCAT(?, 'x'))", NULL},
    {"nv", INTO_HELD "VALUES (?, NULLIF(?, 'a'))", NULL},
    {"nv", INTO_HELD "VALUES (?, (?))", NULL},
    {"nv", INTO_HELD "VALUES (? + 0, ?)", NULL},
    {"mv", "INSERT IGNORE INTO held (n, v) VALUES (COALESCE(?, 50), ?)", NULL},
    {"nm", INTO_HELD "VALUES (?, RAND(?))", NULL},
    {"nv", INTO_HELD "VALUES (?, ? LIKE 'a%')", NULL},
    {"nv", INTO_HELD "VALUES (?, 'abc' LIKE ?)", NULL},
    {"nj", INTO_HELD "VALUES (?, JSON_EXTRACT('{\"a\": 1, \"b\": 2}', ?))", NULL},
    {"nt", INTO_HELD "VALUES (?, DATE_ADD(?, INTERVAL 1 SECOND))", NULL},
    {"nt", INTO_HELD "VALUES (?, CONCAT(?))", NULL},
    {"nv", "INSERT INTO held SET n = ?, v = COALESCE(?, 'x')", NULL},
    {"nv", "INSERT INTO held SET n = ?, v = v IS NULL AND w = ?", NULL},
    {"nvv", INTO_HELD "VALUES (?, ?) ON DUPLICATE KEY UPDATE v = IF(? IS NULL, v, 'given')", NULL},
    {"nvm", INTO_HELD "VALUES (?, ?) ON DUPLICATE KEY UPDATE u = u + ?", NULL},
    {"nvm", INTO_HELD "VALUES (?, ?) ON DUPLICATE KEY UPDATE u = u = ?", NULL},
    {"nv", INTO_HELD "SELECT ?, ?", NULL},
    {"nv", "INSERT INTO held (n, v, w) VALUES (?, ?, RAND(3))", NULL},
    {"nv", "INSERT INTO held (n, v, u) VALUES (?, ?, (SELECT COUNT(*) FROM held h))", NULL},
    {"nv", "INSERT INTO held (n, v, u) VALUES (?, ?, (SELECT MAX(n) FROM held h))", NULL},
    {"v", "INSERT INTO counted (v, u) VALUES (?, LAST_INSERT_ID())",
     "SELECT * FROM counted ORDER BY k"},
    {"v", "INSERT INTO counted (v, u) VALUES (?, LAST_INSERT_ID() IS NULL)",
     "SELECT * FROM counted ORDER BY k"},
    {"nvm", INTO_HELD "VALUES (?, ?) RETURNING n, ?", NULL},
    {"mn", "UPDATE held SET u = u + ? WHERE n = ?", NULL},
    {"vn", "UPDATE held SET v = IF(? IS NULL, 'none', 'some') WHERE n = ?", NULL},
    {"vn", "UPDATE held SET v = COALESCE(?, 'none') WHERE n = ?", NULL},
    {"vn", "UPDATE held SET v = (SELECT id FROM city WHERE name = ?) WHERE n = ?", NULL},
    {"vn", "UPDATE held SET v = ?, u = (SELECT COUNT(*) FROM city) WHERE n = ?", NULL},
    {"nv", "UPDATE held SET u = 9 WHERE n < ? AND v LIKE ?", NULL},
    {"nv", "DELETE FROM held WHERE n = ? AND ? IS NULL", NULL},
    {"nn", "DELETE FROM held WHERE n BETWEEN ? AND ?", NULL},
    {"nn", "DELETE FROM held WHERE n IN (?, ?)", NULL},
};

static struct pool_value value_of(char kind, int row)
{
    static const char *const texts[ROWS] = {"a", NULL, "b", "a", "", NULL, "bb"};
    static const char *const paths[ROWS] = {"$.a", "$.b", "$.c", "$.a", "$.b", "$.a", "$.b"};
    switch (kind) {
    case 'n': return pool_int(row + 1);
    case 'd': return pool_int(row % 3 + 1);
    case 'm': return row % 3 == 0 ? pool_null() : pool_int(20 + row);
    case 'v': return texts[row] ? pool_text(texts[row]) : pool_null();
    case 'j': return pool_text(paths[row]);
    default:
        return row == 1 ? pool_null()
                        : moment(POOL_TYPE_DATETIME, row % 2 ? 0 : (unsigned)row * 1001, false);
    }
}

static void make_values(const struct shape *shape, struct pool_value *values)
{
    for (int row = 0; row < ROWS; row++)
        for (const char *kind = shape->columns; *kind; kind++)
            *values++ = value_of(*kind, row);
}

static void make_tables(void)
{
    static const char *const tables[] = {
        "DROP VIEW IF EXISTS seen",
        "DROP TABLE IF EXISTS held, city, counted, derived, triggered",
        "CREATE TABLE held (n INT PRIMARY KEY, v VARCHAR(60) DEFAULT 'usual', u INT DEFAULT 77, "
        "w VARCHAR(60))",
        "CREATE TABLE city (id INT, name VARCHAR(20))",
        "CREATE TABLE counted (k INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(60), u INT)",
        "CREATE TABLE derived (n INT PRIMARY KEY, v VARCHAR(60), l INT AS (LENGTH(v)) STORED, "
        "c VARCHAR(60) AS (IF(v IS NULL, 'none', v)) VIRTUAL, "
        "d VARCHAR(60) DEFAULT (IF(v IS NULL, 'none', 'some')), "
        "CHECK (v IS NULL OR LENGTH(v) < 5))",
        "CREATE TABLE triggered (n INT PRIMARY KEY, v VARCHAR(60), u INT, w INT)",
        "CREATE TRIGGER look BEFORE INSERT ON triggered FOR EACH ROW SET NEW.u = IF(NEW.v IS "
        "NULL, -1, LENGTH(NEW.v)), NEW.w = (SELECT COUNT(*) FROM city WHERE name = NEW.v)",
        "CREATE VIEW seen AS SELECT n, v FROM held",
        "INSERT INTO city VALUES (11, 'a'), (22, 'b'), (3, '')",
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        must_run(pool, tables[i]);
}

static void seed(const struct shape *shape)
{
    bool plain = (shape->sql[0] == 'I' || shape->sql[0] == 'i') && !strstr(shape->sql, "DUPLICATE");
    must_run(pool, "DELETE FROM held");
    must_run(pool, "TRUNCATE counted");
    must_run(pool, "DELETE FROM derived");
    must_run(pool, "DELETE FROM triggered");
    if (!plain)
        must_run(pool, "INSERT INTO held (n, v, u, w) VALUES (2, 'two', 2, 'q'), (3, NULL, 3, "
                       "'q'), (4, 'a', NULL, 'q'), (12, 'b', 5, 'q'), (13, 'a', 6, 'q')");
    must_run(pool, "SELECT LAST_INSERT_ID(0)");
}

static void put_outcome(struct text *text, const struct shape *shape, uint64_t affected)
{
    put(text, " %llu affected: ", (unsigned long long)affected);
    put_table(text, pool, shape->select ? shape->select : "SELECT * FROM held ORDER BY n");
}

/* False if the server does not know such a statement. */
static bool run_one_by_one(const struct shape *shape, const struct pool_value *values,
                           struct text *text)
{
    size_t columns = strlen(shape->columns);
    uint64_t affected = 0;
    struct pool_error err;
    seed(shape);
    for (size_t row = 0; row < ROWS; row++) {
        struct pool_args args = {values + row * columns, columns};
        struct pool_result *result = pool_query(pool, shape->sql, args, &err);
        if (!result && row == 0 && err.server_errno == 1064)
            return false;
        if (!result)
            fail_msg("%s: %s", shape->sql, err.message);
        affected += pool_affected_rows(result);
        put_rows(text, result);
        pool_result_free(result);
    }
    put_outcome(text, shape, affected);
    return true;
}

static void run_as_batch(const struct shape *shape, const struct pool_value *values,
                         struct text *text)
{
    struct pool_error err;
    seed(shape);
    struct pool_result *result =
        pool_batch(pool, shape->sql, values, ROWS, strlen(shape->columns), &err);
    if (!result)
        fail_msg("%s: %s", shape->sql, err.message);
    uint64_t affected = pool_affected_rows(result);
    do
        put_rows(text, result);
    while (pool_next_set(result));
    pool_result_free(result);
    put_outcome(text, shape, affected);
}

/* VALUES (1, 'a'), (2, NULL), ... False if the statement has other values than these, or some
 * that have no literals. */
static bool run_as_rows(const struct shape *shape, const struct pool_value *values,
                        struct text *text)
{
    static const char row_of_two[] = "VALUES (?, ?)";
    const char *place = strstr(shape->sql, row_of_two);
    static struct text sql;
    struct pool_error err;
    if (!place || strlen(shape->columns) != 2 || strchr(shape->columns, 't') ||
        strstr(shape->sql, "RETURNING"))
        return false;
    clear(&sql);
    put(&sql, "%.*sVALUES ", (int)(place - shape->sql), shape->sql);
    for (size_t row = 0; row < ROWS; row++) {
        char *literals = pool_format("(?, ?)", (struct pool_args){values + 2 * row, 2}, &err);
        put(&sql, "%s%s", row ? ", " : "", literals ? literals : err.message);
        free(literals);
    }
    put(&sql, "%s", place + strlen(row_of_two));
    seed(shape);
    struct pool_request request = {.sql = sql.data, .text = true};
    struct pool_result *result = pool_query_with(pool, &request, &err);
    if (!result)
        fail_msg("%s: %s", sql.data, err.message);
    put_outcome(text, shape, pool_affected_rows(result));
    pool_result_free(result);
    return true;
}

static void assert_same(const char *what, const struct text *got, const struct text *expected)
{
    if (strcmp(got->data, expected->data) != 0)
        fail_msg("%s:\n  expected %s\n  got      %s", what, expected->data, got->data);
}

static void compare(const struct shape *shape)
{
    static struct text singly, as_batch, as_rows;
    struct pool_value values[ROWS * MOST_COLUMNS];
    clear(&singly), clear(&as_batch), clear(&as_rows);
    make_values(shape, values);
    if (!run_one_by_one(shape, values, &singly))
        return;
    run_as_batch(shape, values, &as_batch);
    assert_same(shape->sql, &as_batch, &singly);
    if (run_as_rows(shape, values, &as_rows))
        assert_same(shape->sql, &as_rows, &singly);
}

static void values_that_stand_alone_mean_the_same_in_a_batch(void **state)
{
    (void)state;
    make_tables();
    for (size_t i = 0; i < sizeof alone / sizeof alone[0]; i++) {
        if (!pool__alone_is(alone[i].sql, strlen(alone[i].sql)))
            fail_msg("it stands alone: %s", alone[i].sql);
        compare(&alone[i]);
    }
}

static void values_within_expressions_mean_the_same_in_a_batch(void **state)
{
    (void)state;
    make_tables();
    for (size_t i = 0; i < sizeof not_alone / sizeof not_alone[0]; i++) {
        if (pool__alone_is(not_alone[i].sql, strlen(not_alone[i].sql)))
            fail_msg("it does not stand alone: %s", not_alone[i].sql);
        compare(&not_alone[i]);
    }
}

/* ---- columns ---- */

/* clang-format off */
static const char *const types[] = {
    "BIT(16)", "BOOLEAN", "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT",
    "BIGINT UNSIGNED", "DECIMAL(20,3)", "FLOAT", "DOUBLE", "YEAR", "DATE", "TIME", "TIME(6)",
    "DATETIME", "DATETIME(6)", "TIMESTAMP NULL", "TIMESTAMP(6) NULL", "CHAR(40)",
    "VARCHAR(60)", "VARCHAR(60) CHARACTER SET latin1", "BINARY(40)", "VARBINARY(60)",
    "TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT", "TINYBLOB", "BLOB", "LONGBLOB",
    "ENUM('a', 'abc', '5', '12', '2024')", "SET('a', 'abc', '5', '12', '2024')", "JSON",
    "INET6", "INET4", "UUID", "GEOMETRY", "POINT", "VECTOR(1)",
};
/* clang-format on */

/* Those of one type are neighbours, so that they go together. */
static size_t make_all_values(struct pool_value *values)
{
    /* clang-format off */
    const struct pool_value all[] = {
        pool_int(5), pool_int(-3), pool_int(0), pool_int(2024), pool_int(20240102),
        pool_uint(7), pool_uint(UINT64_MAX),
        pool_double(2.5), pool_double(3.5), pool_double(1e20), pool_double(0.1),
        pool_double(-1e300),
        pool_decimal("1.10"), pool_decimal("2.5"), pool_decimal("-12345678901234567890.5"),
        pool_text("abc"), pool_text("12"), pool_text("\xc3\xa9"), pool_text(""),
        pool_text("2024-01-02 03:04:05.5"), pool_text("00000000-0000-0000-0000-00000000000a"),
        pool_bytes("\x05", 1), pool_bytes("12", 2), pool_bytes("", 0),
        moment(POOL_TYPE_DATE, 0, false),
        moment(POOL_TYPE_TIME, 0, false), moment(POOL_TYPE_TIME, 120, true),
        moment(POOL_TYPE_DATETIME, 0, false), moment(POOL_TYPE_DATETIME, 999999, false),
        pool_null(),
    };
    /* clang-format on */
    memcpy(values, all, sizeof all);
    return sizeof all / sizeof all[0];
}

struct column {
    const char *type;
    size_t count; /* of the values that it takes */
    struct pool_value values[MOST_VALUES];
    char stored[MOST_VALUES][256]; /* what each of them becomes */
};

/* CONCAT keeps HEX from rounding numbers; vectors are nothing for it. */
static void put_column(struct text *text, const struct column *column)
{
    put_table(text, pool,
              strncmp(column->type, "VECTOR", 6) == 0
                  ? "SELECT HEX(v) FROM held ORDER BY n"
                  : "SELECT HEX(CONCAT(v)) FROM held ORDER BY n");
}

static const char in_held[] = "INSERT INTO held (n, v) VALUES (?, ?)";

/* Keeps the values that the server takes, and what they become alone. */
static void learn_values(struct column *column)
{
    struct pool_value all[MOST_VALUES];
    struct pool_error err;
    static struct text text;
    size_t count = make_all_values(all);
    column->count = 0;
    for (size_t i = 0; i < count; i++) {
        clear(&text);
        struct pool_value row[] = {pool_int(1), all[i]};
        must_run(pool, "DELETE FROM held");
        struct pool_result *result = pool_query(pool, in_held, (struct pool_args){row, 2}, &err);
        pool_result_free(result);
        if (!result)
            continue;
        put_column(&text, column);
        column->values[column->count] = all[i];
        assert_true(text.len < sizeof column->stored[0]);
        memcpy(column->stored[column->count++], text.data, text.len + 1);
    }
}

/* How a value can get into a column, or meet it. */
struct way {
    const char *sql;
    bool value_first; /* else the number */
    bool seeded;      /* the rows are there before */
};
static const struct way by_insert = {in_held, false, false};
static const struct way by_upsert = {
    "INSERT INTO held (n) VALUES (?) ON DUPLICATE KEY UPDATE v = ?", false, true};
static const struct way by_update = {"UPDATE held SET v = ? WHERE n = ?", true, true};

static void seed_rows(size_t count)
{
    static struct text sql;
    clear(&sql);
    for (size_t i = 0; i < count; i++)
        put(&sql, "%s(%zu)", i ? ", " : "INSERT INTO held (n) VALUES ", i);
    must_run(pool, sql.data);
}

/* `order` are indices of values. */
static void compare_order(const struct column *column, const struct way *way, const size_t *order,
                          size_t count)
{
    static struct text got, expected;
    struct pool_value *rows = malloc(2 * count * sizeof *rows);
    struct pool_error err;
    clear(&got), clear(&expected);
    assert_non_null(rows);
    for (size_t i = 0; i < count; i++) {
        rows[2 * i + way->value_first] = pool_int((int)i);
        rows[2 * i + !way->value_first] = column->values[order[i]];
        put(&expected, "%s", column->stored[order[i]]);
    }
    must_run(pool, "DELETE FROM held");
    if (way->seeded)
        seed_rows(count);
    struct pool_result *result = pool_batch(pool, way->sql, rows, count, 2, &err);
    free(rows);
    if (!result)
        fail_msg("%s: %s", column->type, err.message);
    pool_result_free(result);
    put_column(&got, column);
    assert_same(column->type, &got, &expected);
}

/* Each value is the first of those of its type, and some are the first of all. */
static void compare_rotations(const struct column *column)
{
    size_t order[MOST_VALUES];
    for (size_t first = 0; first < column->count; first++) {
        size_t count = 0;
        for (size_t i = 0; i < column->count; i++) {
            size_t at = (first + i) % column->count;
            enum pool_type type = column->values[at].type;
            if (type == column->values[first].type || type == POOL_TYPE_NULL)
                order[count++] = at;
        }
        compare_order(column, &by_insert, order, count);
        if (first % 5)
            continue;
        for (size_t i = 0; i < column->count; i++)
            order[i] = (first + i) % column->count;
        compare_order(column, &by_insert, order, column->count);
    }
}

/* Packets of one type each, and NULL among them. */
static void compare_runs(const struct column *column)
{
    size_t order[MOST_VALUES * RUN];
    size_t count = 0;
    for (size_t i = 0; i < column->count; i++)
        for (size_t times = 0; times < RUN; times++)
            order[count++] = times % 7 == 3 ? column->count - 1 : i;
    compare_order(column, &by_insert, order, count);
    compare_order(column, &by_upsert, order, count);
    compare_order(column, &by_update, order, count);
}

/* ---- a value that is compared with a column ---- */

static const char by_value[] = "UPDATE held SET hits = hits + 1 WHERE v = ?";

static void put_hits(struct text *text, unsigned times)
{
    char select[80];
    snprintf(select, sizeof select, "SELECT hits / %u FROM held ORDER BY n", times);
    clear(text);
    put_table(text, pool, select);
    must_run(pool, "UPDATE held SET hits = 0");
}

/* Values with which the server refuses to compare are left out. */
static void compare_comparisons(const struct column *column)
{
    static struct text got, expected;
    struct pool_value rows[MOST_VALUES * RUN];
    size_t count = 0;
    struct pool_error err;
    must_run(pool, "DELETE FROM held");
    for (size_t i = 0; i < column->count; i++) {
        struct pool_value row[] = {pool_int((int)i), column->values[i]};
        pool_result_free(pool_query(pool, in_held, (struct pool_args){row, 2}, &err));
    }
    for (size_t i = 0; i < column->count; i++) {
        struct pool_result *result =
            pool_query(pool, by_value, (struct pool_args){&column->values[i], 1}, &err);
        pool_result_free(result);
        for (size_t times = 0; result && times < RUN; times++)
            rows[count++] = column->values[i];
    }
    put_hits(&expected, 1);
    struct pool_result *result = pool_batch(pool, by_value, rows, count, 1, &err);
    if (count && !result)
        fail_msg("%s: %s", column->type, err.message);
    pool_result_free(result);
    put_hits(&got, RUN);
    assert_same(column->type, &got, &expected);
}

/* A literal of a date is text, and one of bytes is what the column makes of it. For MySQL a bound
 * number over INT64_MAX is a negative time. */
static bool has_literal(const struct pool_value *value)
{
    bool huge = value->type == POOL_TYPE_UINT && value->as.u > INT64_MAX;
    return !huge && value->type != POOL_TYPE_BYTES && value->type != POOL_TYPE_DATE &&
           value->type != POOL_TYPE_TIME && value->type != POOL_TYPE_DATETIME;
}

static void compare_literals(const struct column *column)
{
    static struct text sql, got, expected;
    struct pool_error err;
    clear(&sql), clear(&got), clear(&expected);
    for (size_t i = 0; i < column->count; i++) {
        struct pool_value row[] = {pool_int((int)i), column->values[i]};
        if (!has_literal(&row[1]))
            continue;
        char *literals = pool_format("(?, ?)", (struct pool_args){row, 2}, &err);
        put(&sql, "%s%s", sql.len ? ", " : "INSERT INTO held (n, v) VALUES ",
            literals ? literals : err.message);
        put(&expected, "%s", column->stored[i]);
        free(literals);
    }
    must_run(pool, "DELETE FROM held");
    if (!runs(pool, sql.data, &err)) /* MySQL refuses literals where it cuts values */
        return;
    put_column(&got, column);
    assert_same(column->type, &got, &expected);
}

static void each_value_becomes_in_each_column_what_it_becomes_alone(void **state)
{
    (void)state;
    static struct column column;
    char sql[200];
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        column.type = types[i];
        must_run(pool, "DROP TABLE IF EXISTS held");
        snprintf(sql, sizeof sql, "CREATE TABLE held (n INT PRIMARY KEY, v %s, hits INT DEFAULT 0)",
                 types[i]);
        if (!runs(pool, sql, NULL))
            continue;
        learn_values(&column);
        compare_rotations(&column);
        compare_runs(&column);
        if (i % 3 == 0) /* they take most of the time */
            compare_comparisons(&column);
        compare_literals(&column);
    }
}

/* ---- */

static int begin(void **state)
{
    (void)state;
    pool = pool_of_one("");
    return 0;
}

static int end(void **state)
{
    (void)state;
    runs(pool, "DROP VIEW IF EXISTS seen", NULL);
    runs(pool, "DROP TABLE IF EXISTS held, city, counted, derived, triggered", NULL);
    pool_end(pool, 1000, NULL);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(values_that_stand_alone_mean_the_same_in_a_batch),
        TEST(values_within_expressions_mean_the_same_in_a_batch),
        TEST(each_value_becomes_in_each_column_what_it_becomes_alone),
    };
    return server_suite_main(argc, argv, tests);
}
