/*
 * pool_batch: many rows, one call.
 *
 * The server of MYPOOL_URL takes rows in bulk. Where a test wants one that does not, it
 * lets the library believe so (`no_bulk`), forbids preparing, or uses a statement that the
 * server refuses in bulk; what comes out must be the same.
 */
#include <mysql.h>
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"
#include "suite.h"

#define MANY 100000
#define SOME 2500 /* more than one chunk of rows that go one by one */

static _Atomic bool no_bulk;

/* The library under test asks here for what the server can do. */
my_bool mariadb_get_infov(MYSQL *mysql, enum mariadb_value value, void *arg, ...)
{
    typedef my_bool infov_fn(MYSQL *, enum mariadb_value, void *, ...);
    union {
        void *data;
        infov_fn *call;
    } real = {dlsym(RTLD_NEXT, "mariadb_get_infov")};
    my_bool failed = real.call(mysql, value, arg);
    if (value == MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES && no_bulk)
        *(unsigned long *)arg = 0;
    return failed;
}

/* ---- values ---- */

static struct pool_value *new_values(size_t count)
{
    struct pool_value *values = malloc(count * sizeof *values);
    assert_non_null(values);
    return values;
}

/* Rows of (first, 0), (first + 1, 1), ... */
static struct pool_value *new_pairs(int first, size_t rows)
{
    struct pool_value *values = new_values(rows * 2);
    for (size_t i = 0; i < rows; i++) {
        values[2 * i] = pool_int(first + (int)i);
        values[2 * i + 1] = pool_int((int)i);
    }
    return values;
}

/* ---- calls ---- */

static const char insert[] = "INSERT INTO held (n, v) VALUES (?, ?)";

static void make_pairs_table(void)
{
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT PRIMARY KEY, v INT) ENGINE = InnoDB");
}

static void need(struct pool_result *result, const struct pool_error *err)
{
    if (!result)
        fail_with("batch", err);
}

static uint64_t batch(const char *sql, const struct pool_value *values, size_t rows, size_t columns)
{
    struct pool_error err;
    struct pool_result *result = pool_batch(f.pool, sql, values, rows, columns, &err);
    need(result, &err);
    assert_int_equal(err.code, POOL_OK);
    uint64_t affected = pool_affected_rows(result);
    pool_result_free(result);
    return affected;
}

/* A batch that fails. */
static struct pool_error failure_of(const struct pool_batch_request *request)
{
    struct pool_error err;
    struct pool_result *result = pool_batch_with(f.pool, request, &err);
    assert_null(result);
    assert_int_not_equal(err.code, POOL_OK);
    return err;
}

static struct pool_batch_request pairs_request(struct pool_value *values, size_t rows)
{
    return (struct pool_batch_request){.sql = insert, .values = values, .rows = rows, .columns = 2};
}

static void assert_says(const struct pool_error *err, enum pool_code code, const char *part)
{
    if (err->code != code || !strstr(err->message, part))
        fail_msg("'%s' is not in %s: %s", part, pool_code_name(err->code), err->message);
}

static void assert_sum(const char *sql, long sum)
{
    assert_int_equal(admin_asks(f.admin, sql), sum);
}

static void make_small_packet_pool(void)
{
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.max_packet_bytes = 16384;
    make_pool(options);
}

static struct pool_result *all_rows(const char *sql)
{
    struct pool_error err;
    struct pool_result *rows = pool_query(f.pool, sql, POOL_NO_ARGS, &err);
    need(rows, &err);
    return rows;
}

static void assert_next_text(struct pool_result *rows, const char *text)
{
    assert_true(pool_next(rows));
    if (text)
        assert_string_equal(pool_get_text(rows, 0), text);
    else
        assert_true(pool_is_null(rows, 0));
}

/* The texts of a column of the table, in the order of its column `n`. */
static void assert_texts(const char *column, const char *const *texts, size_t count)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT %s FROM held ORDER BY n", column);
    struct pool_result *rows = all_rows(sql);
    for (size_t i = 0; i < count; i++)
        assert_next_text(rows, texts[i]);
    assert_false(pool_next(rows));
    pool_result_free(rows);
}

/* Puts the values into a column of that type, numbered. */
static void fill_column(const char *type, const struct pool_value *values, size_t count)
{
    make_pool_of_one(NULL);
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT PRIMARY KEY, v %s)", type);
    struct pool_value *rows = new_pairs(0, count);
    for (size_t i = 0; i < count; i++)
        rows[2 * i + 1] = values[i];
    assert_int_equal(batch(insert, rows, count, 2), count);
    free(rows);
}

/* ---- types ---- */

static struct pool_time time_of(enum pool_type type, unsigned microsecond)
{
    struct pool_time time = {.type = type, .hour = 23, .minute = 59, .second = 58};
    time.microsecond = microsecond;
    if (type != POOL_TYPE_TIME)
        time.year = 2024, time.month = 2, time.day = 29;
    return time;
}

static void integers_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_int(INT64_MIN), pool_null(), pool_int(INT64_MAX)};
    const char *texts[] = {"-9223372036854775808", NULL, "9223372036854775807"};
    fill_column("BIGINT", values, 3);
    assert_texts("v", texts, 3);
}

static void unsigned_integers_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_uint(UINT64_MAX), pool_null(), pool_int(5)};
    const char *texts[] = {"18446744073709551615", NULL, "5"};
    fill_column("BIGINT UNSIGNED", values, 3);
    assert_texts("v", texts, 3);
}

static void doubles_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_double(0.1), pool_null(), pool_double(-1.7e308)};
    const char *texts[] = {"0.1", NULL, "-1.7e308"};
    fill_column("DOUBLE", values, 3);
    assert_texts("v", texts, 3);
}

static void decimals_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_decimal("12345678901234567890.123456789"), pool_null(),
                                  pool_decimal("-.5")};
    const char *texts[] = {"12345678901234567890.123456789", NULL, "-0.500000000"};
    fill_column("DECIMAL(40,9)", values, 3);
    assert_texts("v", texts, 3);
}

static void texts_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_text("안녕 😀 '\\\""), pool_null(), pool_text("")};
    const char *texts[] = {"안녕 😀 '\\\"", NULL, ""};
    fill_column("VARCHAR(40)", values, 3);
    assert_texts("v", texts, 3);
}

static void bytes_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_bytes("\0\xff\x80", 3), pool_bytes(NULL, 0), pool_null()};
    const char *texts[] = {"00FF80", "", NULL};
    fill_column("VARBINARY(40)", values, 3);
    assert_texts("HEX(v)", texts, 3);
}

static void dates_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_time(time_of(POOL_TYPE_DATE, 0)), pool_null()};
    const char *texts[] = {"2024-02-29", NULL};
    fill_column("DATE", values, 2);
    assert_texts("v", texts, 2);
}

static void times_come_back(void **state)
{
    (void)state;
    struct pool_time longest = time_of(POOL_TYPE_TIME, 999999);
    longest.hour = 838;
    longest.negative = true;
    struct pool_value values[] = {pool_time(longest), pool_null(),
                                  pool_time(time_of(POOL_TYPE_TIME, 0))};
    const char *texts[] = {"-838:59:58.999999", NULL, "23:59:58.000000"};
    fill_column("TIME(6)", values, 3);
    assert_texts("v", texts, 3);
}

static void datetimes_come_back(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_time(time_of(POOL_TYPE_DATETIME, 1)), pool_null()};
    const char *texts[] = {"2024-02-29 23:59:58.000001", NULL};
    fill_column("DATETIME(6)", values, 2);
    assert_texts("v", texts, 2);
}

static void a_column_of_nulls_is_null(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_null(), pool_null()};
    const char *texts[] = {NULL, NULL};
    fill_column("DATETIME", values, 2);
    assert_texts("v", texts, 2);
}

static void integers_that_no_integer_type_holds_together_stay_exact(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_int(INT64_MIN), pool_uint(UINT64_MAX), pool_int(7)};
    const char *texts[] = {"-9223372036854775808", "18446744073709551615", "7"};
    fill_column("DECIMAL(30)", values, 3);
    assert_texts("v", texts, 3);
}

static void integers_and_doubles_stay_exact_together(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_int(9007199254740993), pool_double(0.1),
                                  pool_decimal("0.3333333333333333333"), pool_double(1e300)};
    const char *texts[] = {"9007199254740993", "0.1", "0.3333333333333333333", "1e300"};
    fill_column("VARCHAR(40)", values, 4);
    assert_texts("v", texts, 4);
}

static void a_double_among_decimals_is_the_same_double(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_double(0.1 + 0.2), pool_int(1), pool_double(1.0 / 3)};
    const char *texts[] = {"1", "1", "1"};
    fill_column("DOUBLE", values, 3);
    assert_texts("n IN (0, 2) AND v IN (0.30000000000000004e0, 0.3333333333333333e0) OR v = 1",
                 texts, 3);
}

static void each_value_among_texts_becomes_its_own_text(void **state)
{
    (void)state;
    /* clang-format off */
    struct pool_value values[] = {
        pool_text("x"),   pool_int(-5),        pool_uint(UINT64_MAX),
        pool_double(2.5), pool_decimal("1.10"), pool_time(time_of(POOL_TYPE_DATE, 0)),
        pool_null(),      pool_time(time_of(POOL_TYPE_TIME, 0)),
        pool_time(time_of(POOL_TYPE_DATETIME, 20))};
    const char *texts[] = {"x",    "-5",       "18446744073709551615",      "2.5", "1.10", "2024-02-29",
                           NULL, "23:59:58", "2024-02-29 23:59:58.000020"};
    /* clang-format on */
    fill_column("VARCHAR(40)", values, 9);
    assert_texts("v", texts, 9);
}

static void bytes_and_text_in_one_column_are_each_what_they_are(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_text("\xc3\xa9"), pool_bytes("\xe9", 1), pool_text("b")};
    const char *texts[] = {"E9", "E9", "62"};
    fill_column("VARCHAR(40) CHARACTER SET latin1", values, 3);
    assert_texts("HEX(v)", texts, 3);
}

static void a_value_of_a_mebibyte_arrives(void **state)
{
    (void)state;
    size_t len = 1 << 20;
    char *big = malloc(len);
    memset(big, 'x', len);
    struct pool_value values[] = {pool_text_n(big, len), pool_text("small"), pool_text_n(big, len)};
    const char *texts[] = {"1048576", "5", "1048576"};
    fill_column("LONGTEXT", values, 3);
    free(big);
    assert_texts("LENGTH(v)", texts, 3);
}

/* ---- many ---- */

static void a_hundred_thousand_rows_of_four_columns_arrive(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    admin_does(f.admin,
               "CREATE TABLE mypool.held (a INT, b VARCHAR(20), c DOUBLE, d DECIMAL(9,2))");
    struct pool_value *values = new_values(MANY * 4);
    for (int i = 0; i < MANY; i++) {
        values[4 * i] = pool_int(i);
        values[4 * i + 1] = i % 3 ? pool_text("some text") : pool_null();
        values[4 * i + 2] = pool_double(i / 2.0);
        values[4 * i + 3] = pool_decimal("1.25");
    }
    assert_int_equal(batch("INSERT INTO held VALUES (?, ?, ?, ?)", values, MANY, 4), MANY);
    free(values);
    assert_rows(MANY);
    assert_sum("SELECT COUNT(DISTINCT a) FROM mypool.held WHERE c = a / 2", MANY);
    assert_sum("SELECT SUM(d) FROM mypool.held WHERE b IS NULL", 33334 * 5 / 4);
}

struct progress {
    unsigned calls;
    size_t last;
    unsigned stop_at; /* call; 0: never */
    bool in_order;
};

static bool on_progress(size_t done, size_t rows, void *arg)
{
    struct progress *progress = arg;
    progress->in_order =
        (progress->calls == 0 || progress->in_order) && done > progress->last && done < rows;
    progress->last = done;
    return ++progress->calls != progress->stop_at;
}

static void a_batch_bigger_than_a_packet_goes_in_several(void **state)
{
    (void)state;
    struct progress progress = {0};
    make_small_packet_pool();
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 2 * SOME);
    struct pool_batch_request request = pairs_request(values, 2 * SOME);
    struct pool_error err;
    request.progress = on_progress;
    request.progress_arg = &progress;
    struct pool_result *result = pool_batch_with(f.pool, &request, &err);
    need(result, &err);
    assert_int_equal(pool_affected_rows(result), 2 * SOME);
    pool_result_free(result);
    free(values);
    assert_true(progress.calls > 3 && progress.in_order);
    assert_rows(2 * SOME);
}

static void the_servers_limit_of_a_packet_is_kept(void **state)
{
    (void)state;
    long before = admin_asks(f.admin, "SELECT @@GLOBAL.max_allowed_packet");
    admin_does(f.admin, "SET GLOBAL max_allowed_packet = 8192");
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_error err;
    struct pool_result *result = pool_batch(f.pool, insert, values, SOME, 2, &err);
    admin_does(f.admin, "SET GLOBAL max_allowed_packet = %ld", before);
    need(result, &err);
    pool_result_free(result);
    free(values);
    assert_rows(SOME);
}

static void a_row_bigger_than_a_packet_is_refused_by_its_number(void **state)
{
    (void)state;
    make_small_packet_pool();
    make_pairs_table();
    char big[17000];
    memset(big, 'x', sizeof big);
    struct pool_value *values = new_pairs(0, SOME);
    values[2 * 2000 + 1] = pool_text_n(big, sizeof big);
    struct pool_batch_request request = pairs_request(values, SOME);
    struct pool_error err = failure_of(&request);
    free(values);
    assert_says(&err, POOL_ERR_TOO_BIG, "row 2001 takes 170");
    assert_true(err.not_executed);
    assert_rows(0);
    assert_true(works(&err));
}

/* Rows of (n, text), all of the size that fills a packet but for `slack` bytes. */
static bool row_goes_with_slack(size_t slack, struct pool_error *err)
{
    char big[16384];
    size_t len = 16384 - 1 - 1 - (6 + 2 * 2) - (1 + 8) - (1 + 3) - slack;
    memset(big, 'x', len);
    struct pool_value values[] = {pool_int((int)slack), pool_text_n(big, len)};
    struct pool_result *result =
        pool_batch(f.pool, "INSERT INTO held VALUES (?, ?)", values, 1, 2, err);
    pool_result_free(result);
    return result != NULL;
}

static void a_row_may_fill_a_packet_to_its_last_byte(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT, v TEXT)");
    if (!row_goes_with_slack(0, &err))
        fail_with("slack 0", &err);
    assert_true(row_goes_with_slack(1, &err));
    assert_false(row_goes_with_slack((size_t)-1, &err));
    assert_int_equal(err.code, POOL_ERR_TOO_BIG);
    assert_rows(2);
}

/* ---- what comes back ---- */

static void the_first_insert_id_is_told(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_int(7), pool_int(8), pool_int(9)};
    struct pool_error err;
    make_pool_of_one(NULL);
    admin_does(f.admin, "CREATE TABLE mypool.held (id INT AUTO_INCREMENT PRIMARY KEY, v INT) "
                        "AUTO_INCREMENT = 40");
    for (int bulk = 1; bulk >= 0; bulk--) {
        no_bulk = !bulk;
        struct pool_result *result =
            pool_batch(f.pool, "INSERT INTO held (v) VALUES (?)", values, 3, 1, &err);
        need(result, &err);
        assert_in_range(pool_insert_id(result), bulk ? 40 : 43, bulk ? 40 : 50);
        assert_int_equal(pool_affected_rows(result), 3);
        pool_result_free(result);
    }
}

static void updates_count_what_they_matched_and_deletes_what_they_removed(void **state)
{
    (void)state;
    struct pool_value set[] = {pool_int(50), pool_int(0), pool_int(1),
                               pool_int(1),  pool_int(2), pool_int(99)};
    struct pool_value gone[] = {pool_int(0), pool_int(2), pool_int(77)};
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 3);
    batch(insert, values, 3, 2);
    free(values);
    assert_int_equal(batch("UPDATE held SET v = ? WHERE n = ?", set, 3, 2), 2);
    assert_sum("SELECT v FROM mypool.held WHERE n = 0", 50);
    assert_int_equal(batch("DELETE FROM held WHERE n = ?", gone, 3, 1), 2);
    assert_rows(1);
}

static void replaced_rows_count_twice(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 4);
    assert_int_equal(batch("REPLACE INTO held VALUES (?, ?)", values, 3, 2), 3);
    assert_int_equal(batch("REPLACE INTO held VALUES (?, ? + 1)", values, 4, 2), 7);
    free(values);
}

static void returned_rows_come_in_one_set(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_result *rows =
        pool_batch(f.pool, "INSERT INTO held VALUES (?, ?) RETURNING n, v", values, SOME, 2, &err);
    free(values);
    need(rows, &err);
    assert_int_equal(pool_row_count(rows), SOME);
    assert_int_equal(pool_affected_rows(rows), SOME);
    int64_t next = 0;
    for (; pool_next(rows); next++)
        assert_int_equal(pool_get_int(rows, 0), next);
    assert_int_equal(next, SOME);
    assert_false(pool_next_set(rows));
    pool_result_free(rows);
}

static void warnings_are_counted(void **state)
{
    (void)state;
    struct pool_error err;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value values[] = {pool_int(1), pool_int(0), pool_int(1), pool_int(0)};
    struct pool_result *result =
        pool_batch(f.pool, "INSERT IGNORE INTO held VALUES (?, ?)", values, 2, 2, &err);
    need(result, &err);
    assert_int_equal(pool_affected_rows(result), 1);
    assert_int_equal(pool_warning_count(result), 1);
    pool_result_free(result);
}

static void no_rows_send_nothing(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    assert_int_equal(batch(insert, NULL, 0, 2), 0);
    assert_int_equal(stats_now().opened + stats_now().connecting, 0);
}

/* ---- failures in the middle ---- */

/* The row of this number has the key of the first. */
static struct pool_error fail_in_the_middle(const char *sql, size_t row, bool atomic)
{
    struct pool_value *values = new_pairs(0, SOME);
    values[2 * (row - 1)] = pool_int(0);
    struct pool_batch_request request = pairs_request(values, SOME);
    request.sql = sql;
    request.atomic = atomic;
    struct pool_error err = failure_of(&request);
    free(values);
    assert_int_equal(err.server_errno, 1062);
    assert_false(err.not_executed || err.fatal);
    return err;
}

static void a_duplicate_key_undoes_its_chunk_alone(void **state)
{
    (void)state;
    unsigned long kept = 0;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_error err = fail_in_the_middle(insert, 1500, false);
    assert_says(&err, POOL_ERR_SERVER, "Duplicate entry '0'");
    const char *told = strstr(err.message, "rows 1 to ");
    assert_non_null(told);
    assert_int_equal(sscanf(told, "rows 1 to %lu were executed", &kept), 1);
    assert_in_range(kept, 1, 1499);
    assert_rows((long)kept);
}

static void a_duplicate_key_undoes_an_atomic_batch(void **state)
{
    (void)state;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_error err = fail_in_the_middle(insert, 1500, true);
    assert_says(&err, POOL_ERR_SERVER, "none was executed");
    assert_rows(0);
    assert_true(works(&err));
}

static void an_atomic_batch_of_one_chunk_is_one_statement(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_error err = fail_in_the_middle(insert, 3, true);
    assert_says(&err, POOL_ERR_SERVER, "undone, if the tables have transactions");
    assert_rows(0);
}

static void an_update_that_fails_undoes_its_chunk(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 5);
    batch(insert, values, 5, 2);
    values[2 * 3 + 1] = pool_int(0); /* row 4 gives the row of the key 0 the number 3 */
    struct pool_batch_request request = pairs_request(values, 5);
    request.sql = "UPDATE held SET n = ?, v = 100 WHERE n = ?";
    struct pool_error err = failure_of(&request);
    free(values);
    assert_int_equal(err.server_errno, 1062);
    assert_says(&err, POOL_ERR_SERVER, "rows 1 to 5 of 5: ");
    assert_sum("SELECT COUNT(*) FROM mypool.held WHERE n = v", 5);
}

static void a_statement_with_an_error_is_not_executed(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    struct pool_value values[] = {pool_int(1), pool_int(2)};
    struct pool_batch_request request = pairs_request(values, 1);
    request.sql = "INSERT INTO held VALUES (?, ?,)";
    struct pool_error err = failure_of(&request);
    assert_int_equal(err.server_errno, 1064);
    assert_true(err.not_executed);
}

static void nor_is_it_one_by_one(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value values[] = {pool_int(1), pool_int(2), pool_int(3), pool_int(4)};
    struct pool_batch_request request = pairs_request(values, 2);
    request.sql = "INSERT INTO held VALUES (? + 1, ?,)";
    struct pool_error err = failure_of(&request);
    assert_int_equal(err.server_errno, 1064);
    assert_says(&err, POOL_ERR_SERVER, "; none was executed");
    assert_true(err.not_executed);
    request.sql = "INSERT INTO held VALUES (? - ?, 1)";
    assert_int_equal(failure_of(&request).server_errno, 1062);
    request.sql = "INSERT INTO held VALUES (1 + ?, POW(?, 1e9))";
    assert_false(failure_of(&request).not_executed);
}

/* ---- time, death and the program's own will ---- */

static void a_batch_ends_at_its_deadline(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 10);
    struct pool_batch_request request = pairs_request(values, 10);
    request.timeout_ms = 200;
    unsigned long id = id_of_next();
    admin_does(f.admin, "LOCK TABLES mypool.held WRITE");
    uint64_t begin = now_ms();
    struct pool_error err = failure_of(&request);
    assert_in_range(now_ms() - begin, 150, 5000);
    free(values);
    assert_says(&err, POOL_ERR_QUERY_TIMEOUT, "they may have been executed");
    assert_true(err.fatal && !err.not_executed);
    assert_within(GENEROUS, is_gone(f.admin, id));
    admin_does(f.admin, "UNLOCK TABLES");
    assert_within(GENEROUS, works(&err));
    assert_rows(0);
}

static void each_chunk_has_the_time_of_a_statement(void **state)
{
    (void)state;
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.query_timeout_ms = 200;
    make_pool(options);
    make_pairs_table();
    admin_does(f.admin, "LOCK TABLES mypool.held WRITE");
    struct pool_value *values = new_pairs(0, 10);
    struct pool_batch_request request = pairs_request(values, 10);
    struct pool_error err = failure_of(&request);
    free(values);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
}

struct killer {
    unsigned long id;
    size_t done;
};

static bool kill_and_go_on(size_t done, size_t rows, void *arg)
{
    struct killer *killer = arg;
    (void)rows;
    killer->done = done;
    char sql[64];
    snprintf(sql, sizeof sql, "KILL %lu", killer->id);
    return ask(f.admin, sql, NULL, 0) && WITHIN(GENEROUS, is_gone(f.admin, killer->id));
}

static struct pool_error kill_in_the_middle(bool atomic, size_t *ret_done)
{
    struct killer killer = {.id = id_of_next()};
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_batch_request request = pairs_request(values, SOME);
    request.atomic = atomic;
    request.progress = kill_and_go_on;
    request.progress_arg = &killer;
    struct pool_error err = failure_of(&request);
    free(values);
    *ret_done = killer.done;
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_false(err.not_executed);
    return err;
}

static void a_connection_killed_between_chunks_leaves_those_before(void **state)
{
    (void)state;
    size_t done;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_error err = kill_in_the_middle(false, &done);
    assert_true(strstr(err.message, "were executed") != NULL);
    assert_within(GENEROUS, works(&err));
    assert_rows((long)done);
}

static void a_connection_killed_in_an_atomic_batch_leaves_nothing(void **state)
{
    (void)state;
    size_t done;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_error err = kill_in_the_middle(true, &done);
    assert_says(&err, POOL_ERR_LOST, "undone, if the tables have transactions");
    assert_within(GENEROUS, works(&err));
    assert_rows(0);
}

static void a_connection_that_died_before_is_exchanged(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    unsigned long id = id_of_next();
    admin_does(f.admin, "KILL %lu", id);
    struct pool_value *values = new_pairs(0, 10);
    assert_int_equal(batch(insert, values, 10, 2), 10);
    free(values);
    assert_rows(10);
}

static size_t stop_in_the_middle(bool atomic, struct pool_error *err)
{
    struct progress progress = {.stop_at = 2};
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_batch_request request = pairs_request(values, SOME);
    request.atomic = atomic;
    request.progress = on_progress;
    request.progress_arg = &progress;
    *err = failure_of(&request);
    free(values);
    assert_int_equal(err->code, POOL_ERR_CANCELLED);
    assert_int_equal(progress.calls, 2);
    return progress.last;
}

static void the_progress_function_can_stop_a_batch(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    make_pairs_table();
    size_t done = stop_in_the_middle(false, &err);
    assert_true(strstr(err.message, "were executed") != NULL);
    assert_rows((long)done);
    assert_int_equal(stats_now().closed, 0);
}

static void a_stopped_atomic_batch_leaves_nothing(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    make_pairs_table();
    stop_in_the_middle(true, &err);
    assert_says(&err, POOL_ERR_CANCELLED, "none was executed");
    assert_rows(0);
    assert_int_equal(stats_now().closed, 0);
}

/* ---- one by one ---- */

static void fill_and_check(void)
{
    make_pairs_table();
    struct pool_value *values = new_pairs(0, SOME);
    assert_int_equal(batch(insert, values, SOME, 2), SOME);
    free(values);
    assert_rows(SOME);
    assert_sum("SELECT COUNT(*) FROM mypool.held WHERE n = v", SOME);
}

static void make_text_pool(void)
{
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.no_prepare = true;
    make_pool(options);
}

static void without_bulk_rows_go_one_by_one(void **state)
{
    (void)state;
    no_bulk = true;
    make_pool_of_one(NULL);
    fill_and_check();
    assert_int_equal(stats_now().prepares, 1);
}

static void without_pipelining_too(void **state)
{
    (void)state;
    struct pool_options options = app_options();
    options.connection_limit = 1;
    options.pipeline_depth = 1;
    no_bulk = true;
    make_pool(options);
    fill_and_check();
}

static void without_preparing_rows_go_as_text(void **state)
{
    (void)state;
    make_text_pool();
    fill_and_check();
    assert_int_equal(stats_now().prepares, 0);
}

static void a_server_without_room_for_statements_gets_text(void **state)
{
    (void)state;
    long before = admin_asks(f.admin, "SELECT @@GLOBAL.max_prepared_stmt_count");
    make_pool_of_one(NULL);
    must("DO 1"); /* the pool has read the limit */
    make_pairs_table();
    admin_does(f.admin, "SET GLOBAL max_prepared_stmt_count = 0");
    struct pool_value *values = new_pairs(0, 10);
    struct pool_error err;
    struct pool_result *result = pool_batch(f.pool, insert, values, 10, 2, &err);
    admin_does(f.admin, "SET GLOBAL max_prepared_stmt_count = %ld", before);
    free(values);
    need(result, &err);
    assert_int_equal(pool_affected_rows(result), 10);
    pool_result_free(result);
    assert_rows(10);
}

static const char insert_select[] = "INSERT INTO held SELECT ?, ?";

static void a_statement_that_is_refused_in_bulk_is_remembered(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    for (int i = 0; i < 3; i++) {
        struct pool_value *values = new_pairs(10 * i, 10);
        assert_int_equal(batch(insert_select, values, 10, 2), 10);
        free(values);
    }
    assert_rows(30);
    assert_int_equal(stats_now().prepares, 1);
}

static void one_by_one_the_row_that_failed_is_named(void **state)
{
    (void)state;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_error err = fail_in_the_middle(insert_select, 1500, false);
    assert_says(&err, POOL_ERR_SERVER, "row 1500 of 2500: Duplicate");
    assert_says(&err, POOL_ERR_SERVER, "rows 1 to 1000 were executed");
    assert_rows(1000);
}

static void one_by_one_an_atomic_batch_is_atomic(void **state)
{
    (void)state;
    make_text_pool();
    make_pairs_table();
    struct pool_error err = fail_in_the_middle(insert, 1500, true);
    assert_says(&err, POOL_ERR_SERVER, "none was executed");
    assert_rows(0);
}

static void one_by_one_returned_rows_come_in_one_set(void **state)
{
    (void)state;
    struct pool_error err;
    no_bulk = true;
    make_pool_of_one(NULL);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 100);
    struct pool_result *rows =
        pool_batch(f.pool, "INSERT INTO held VALUES (?, ?) RETURNING v", values, 100, 2, &err);
    free(values);
    need(rows, &err);
    for (int i = 0; i < 100; i++) {
        assert_true(pool_next(rows));
        assert_int_equal(pool_get_int(rows, 0), i);
    }
    assert_false(pool_next(rows) || pool_next_set(rows));
    pool_result_free(rows);
}

/* The last row is a chunk of its own, and one too many for the result. */
static void a_row_that_was_executed_and_cannot_be_kept_is_not_called_undone(void **state)
{
    enum { KEPT = 1000 };
    (void)state;
    struct pool_error err;
    struct pool_options options = app_options();
    options.no_prepare = true;
    options.max_rows = KEPT;
    make_pool(options);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, KEPT + 1);
    assert_null(pool_batch(f.pool, "INSERT INTO held VALUES (?, ?) RETURNING v", values, KEPT + 1,
                           2, &err));
    free(values);
    assert_refused(&err, POOL_ERR_TOO_BIG, 0);
    assert_false(err.not_executed);
    assert_non_null(strstr(err.message, "rows 1 to 1000 were executed, and perhaps these"));
    assert_rows(KEPT + 1);
}

static void one_by_one_a_batch_ends_at_its_deadline(void **state)
{
    (void)state;
    no_bulk = true;
    make_pool_of_one(NULL);
    make_pairs_table();
    admin_does(f.admin, "LOCK TABLES mypool.held WRITE");
    struct pool_value *values = new_pairs(0, 10);
    struct pool_batch_request request = pairs_request(values, 10);
    request.timeout_ms = 200;
    struct pool_error err = failure_of(&request);
    free(values);
    assert_says(&err, POOL_ERR_QUERY_TIMEOUT, "undone, if the tables have transactions");
    admin_does(f.admin, "UNLOCK TABLES");
    assert_within(GENEROUS, works(&err));
    assert_rows(0);
}

/* ---- tables without transactions ---- */

static struct pool_error fail_at_third_of_four(void)
{
    struct pool_value values[] = {pool_int(1), pool_int(0), pool_int(2), pool_int(0),
                                  pool_int(1), pool_int(0), pool_int(4), pool_int(0)};
    struct pool_batch_request request = pairs_request(values, 4);
    make_pool_of_one(NULL);
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT PRIMARY KEY, v INT) ENGINE = MyISAM");
    struct pool_error err = failure_of(&request);
    assert_int_equal(err.server_errno, 1062);
    assert_false(err.not_executed);
    /* One by one the last row is on its way when the third fails. */
    assert_in_range(admin_asks(f.admin, "SELECT COUNT(*) FROM mypool.held"), 2, no_bulk ? 3 : 2);
    return err;
}

static void a_failed_packet_is_not_said_to_be_undone_without_transactions(void **state)
{
    (void)state;
    struct pool_error err = fail_at_third_of_four();
    assert_says(&err, POOL_ERR_SERVER, "; undone, if the tables have transactions");
}

static void what_could_not_be_undone_is_told(void **state)
{
    (void)state;
    no_bulk = true;
    struct pool_error err = fail_at_third_of_four();
    assert_says(&err, POOL_ERR_SERVER, "row 3 of 4: ");
    assert_says(&err, POOL_ERR_SERVER, "; undone, but not in tables without transactions");
}

static void what_stays_of_a_later_chunk_is_told_too(void **state)
{
    (void)state;
    no_bulk = true;
    make_pool_of_one(NULL);
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT PRIMARY KEY, v INT) ENGINE = MyISAM");
    struct pool_error err = fail_in_the_middle(insert, 1500, false);
    assert_says(&err, POOL_ERR_SERVER,
                "; rows 1 to 1000 were executed, and some of these in tables without transactions");
    assert_in_range(admin_asks(f.admin, "SELECT COUNT(*) FROM mypool.held"), 1499, SOME);
}

/* ---- columns of several types ---- */

static void fill_mixed(struct pool_value *values, size_t rows, bool (*is_text)(size_t row))
{
    for (size_t i = 0; i < rows; i++)
        values[2 * i + 1] = i % 5 == 4 ? pool_null() : is_text(i) ? pool_text("7") : pool_int(7);
}

/* How many chunks so many rows take. */
static unsigned chunks_of(bool (*is_text)(size_t row))
{
    struct progress progress = {0};
    struct pool_value *values = new_pairs(0, 1000);
    struct pool_batch_request request = pairs_request(values, 1000);
    struct pool_error err;
    fill_mixed(values, 1000, is_text);
    make_pool_of_one(NULL);
    make_pairs_table();
    request.progress = on_progress;
    request.progress_arg = &progress;
    struct pool_result *result = pool_batch_with(f.pool, &request, &err);
    free(values);
    need(result, &err);
    pool_result_free(result);
    assert_sum("SELECT SUM(v) FROM mypool.held", 800 * 7);
    return progress.calls + 1;
}

static bool never(size_t row)
{
    (void)row;
    return false;
}

static bool from_the_middle_on(size_t row)
{
    return row >= 500;
}

static bool in_turn(size_t row)
{
    return row % 2;
}

static void a_column_of_one_type_and_null_goes_in_one_packet(void **state)
{
    (void)state;
    assert_int_equal(chunks_of(never), 1);
}

static void a_packet_ends_where_a_column_changes_its_type(void **state)
{
    (void)state;
    assert_int_equal(chunks_of(from_the_middle_on), 2);
}

static void rows_go_one_by_one_where_types_change_all_the_time(void **state)
{
    (void)state;
    assert_in_range(chunks_of(in_turn), 2, 8);
}

/* ---- on a borrowed connection ---- */

static struct pool_result *conn_batch(struct pool_conn conn, struct pool_value *values, size_t rows,
                                      bool atomic, struct pool_error *err)
{
    struct pool_batch_request request = pairs_request(values, rows);
    request.atomic = atomic;
    struct pool_result *result = pool_conn_batch(conn, &request, err);
    free(values);
    return result;
}

static void a_batch_is_part_of_an_open_transaction(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    for (int atomic = 0; atomic < 2; atomic++) {
        struct pool_result *result =
            conn_batch(conn, new_pairs(atomic * SOME, SOME), SOME, atomic, &err);
        need(result, &err);
        pool_result_free(result);
    }
    assert_int_equal(number(conn, "SELECT COUNT(*) FROM held"), 2 * SOME);
    assert_rows(0);
    assert_true(pool_conn_rollback(conn, &err));
    assert_true(pool_conn_release(conn, &err));
    assert_rows(0);
}

static void a_failed_atomic_batch_leaves_the_rest_of_the_transaction(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_conn conn = borrow();
    assert_true(pool_conn_begin(conn, &err));
    assert_true(did(conn, "INSERT INTO held VALUES (2400, 0)", &err));
    assert_null(conn_batch(conn, new_pairs(0, SOME), SOME, true, &err));
    assert_int_equal(err.server_errno, 1062);
    assert_says(&err, POOL_ERR_SERVER, "none was executed");
    assert_true(pool_conn_commit(conn, &err));
    assert_true(pool_conn_release(conn, &err));
    assert_rows(1);
}

static void a_batch_on_a_handle_commits_for_itself(void **state)
{
    (void)state;
    struct pool_error err;
    make_small_packet_pool();
    make_pairs_table();
    struct pool_conn conn = borrow();
    struct pool_result *result = conn_batch(conn, new_pairs(0, SOME), SOME, true, &err);
    need(result, &err);
    pool_result_free(result);
    assert_rows(SOME);
    assert_true(pool_conn_begin(conn, &err)); /* none is open */
    assert_true(pool_conn_release(conn, &err));
}

static void a_batch_on_a_stale_handle_is_refused(void **state)
{
    (void)state;
    struct pool_error err;
    make_pool_of_one(NULL);
    struct pool_conn conn = borrow();
    assert_true(pool_conn_release(conn, &err));
    assert_null(conn_batch(conn, new_pairs(0, 1), 1, false, &err));
    assert_int_equal(err.code, POOL_ERR_STALE);
    assert_null(conn_batch(conn, new_pairs(0, 1), 0, false, &err));
    assert_int_equal(err.code, POOL_ERR_STALE);
}

/* ---- wrong input ---- */

static void assert_invalid(struct pool_batch_request request, const char *part)
{
    struct pool_error err = failure_of(&request);
    assert_says(&err, POOL_ERR_INVALID, part);
    assert_true(err.not_executed);
}

static void assert_value_refused(struct pool_value value, const char *part)
{
    struct pool_value values[] = {pool_int(1), pool_int(2), pool_int(3), value};
    assert_invalid(pairs_request(values, 2), part);
}

static void wrong_values_are_named_by_row_and_column(void **state)
{
    (void)state;
    struct pool_value one = pool_int(1);
    struct pool_time bad = {.type = POOL_TYPE_TIME, .hour = 900};
    make_pool_of_one(NULL);
    assert_value_refused(pool_list(&one, 1), "row 2, column 2 is a list");
    assert_value_refused(pool_named("x", one), "row 2, column 2 has a name");
    assert_value_refused(pool_text("ab\xff"), "row 2, column 2 is not UTF-8 from byte 2");
    assert_value_refused(pool_double(1.0 / 0.0), "row 2, column 2 is infinite");
    assert_value_refused(pool_decimal("x"), "row 2, column 2 is not a decimal");
    assert_value_refused(pool_time(bad), "row 2, column 2 has an hour");
    assert_value_refused(pool_bytes(NULL, 3), "row 2, column 2 has a length but no data");
    assert_value_refused((struct pool_value){.type = POOL_TYPE_FLOAT},
                         "row 2, column 2 is a FLOAT");
    assert_int_equal(stats_now().opened + stats_now().connecting, 0);
}

static void wrong_statements_are_refused(void **state)
{
    (void)state;
    struct pool_value values[] = {pool_int(1), pool_int(2)};
    struct pool_batch_request request = {.values = values, .rows = 1, .columns = 2};
    make_pool_of_one(NULL);
    assert_invalid(request, "the SQL is NULL");
    request.sql = "SELECT ?, ?";
    assert_invalid(request, "a batch takes an INSERT, REPLACE, UPDATE or DELETE, not 'SELECT'");
    request.sql = "INSERT INTO held VALUES (:a, :b)";
    assert_invalid(request, "placeholders, not :name");
    request.sql = "DELETE FROM held WHERE n = ?; DELETE FROM held WHERE v = ?";
    assert_invalid(request, "single statement");
    request.sql = "INSERT INTO held VALUES (?, '?')";
    assert_invalid(request, "the statement has 1 placeholder but the rows have 2 columns");
    request.columns = 0;
    assert_invalid(request, "at least one column");
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    struct pool_error err;
    make_pool_of_one(NULL);
    assert_null(pool_batch_with(f.pool, NULL, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_null(pool_batch(NULL, insert, NULL, 0, 2, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_null(pool_batch(f.pool, insert, NULL, 1, 2, NULL));
    assert_invalid(pairs_request(NULL, SIZE_MAX / 2), "more than memory has");
}

/* ---- with a callback ---- */

struct answer {
    _Atomic unsigned calls;
    enum pool_code code;
    uint64_t affected;
    char message[512];
};

static void on_answer(const struct pool_error *err, struct pool_result *result, void *arg)
{
    struct answer *answer = arg;
    answer->code = err ? err->code : POOL_OK;
    snprintf(answer->message, sizeof answer->message, "%s", err ? err->message : "");
    answer->affected = pool_affected_rows(result);
    pool_result_free(result);
    atomic_fetch_add(&answer->calls, 1);
}

static void run_async(const struct pool_batch_request *request, struct answer *answer)
{
    struct pool_error err;
    if (!pool_batch_async(f.pool, request, on_answer, answer, &err))
        fail_with("async", &err);
}

static void a_callback_gets_the_result_of_a_batch(void **state)
{
    (void)state;
    static struct answer answer;
    answer = (struct answer){0};
    make_small_packet_pool();
    make_pairs_table();
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_batch_request request = pairs_request(values, SOME);
    request.atomic = true;
    run_async(&request, &answer);
    memset(values, 0xff, 2 * SOME * sizeof *values); /* they have been copied */
    free(values);
    assert_within(GENEROUS, atomic_load(&answer.calls) == 1);
    assert_string_equal(answer.message, "");
    assert_int_equal(answer.affected, SOME);
    assert_sum("SELECT COUNT(*) FROM mypool.held WHERE n = v", SOME);
}

static void a_callback_gets_the_failure_of_a_batch(void **state)
{
    (void)state;
    static struct answer answer;
    static struct progress progress;
    answer = (struct answer){0};
    progress = (struct progress){.stop_at = 2};
    make_small_packet_pool();
    make_pairs_table();
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_batch_request request = pairs_request(values, SOME);
    request.progress = on_progress;
    request.progress_arg = &progress;
    run_async(&request, &answer);
    free(values);
    assert_within(GENEROUS, atomic_load(&answer.calls) == 1);
    assert_int_equal(answer.code, POOL_ERR_CANCELLED);
    assert_rows((long)progress.last);
}

static struct pool_call to_cancel;

static bool cancel_and_go_on(size_t done, size_t rows, void *arg)
{
    _Atomic unsigned *cancels = arg;
    (void)done, (void)rows;
    if (pool_cancel(to_cancel, NULL))
        atomic_fetch_add(cancels, 1);
    return true;
}

static void a_cancelled_atomic_batch_leaves_nothing(void **state)
{
    (void)state;
    static struct answer answer;
    static _Atomic unsigned cancels;
    answer = (struct answer){0};
    make_small_packet_pool();
    make_pairs_table();
    struct pool_value *values = new_pairs(0, 10 * SOME);
    struct pool_batch_request request = pairs_request(values, 10 * SOME);
    request.atomic = true;
    request.progress = cancel_and_go_on;
    request.progress_arg = &cancels;
    request.ret_call = &to_cancel;
    run_async(&request, &answer);
    free(values);
    assert_within(GENEROUS, atomic_load(&answer.calls) == 1);
    assert_int_equal(answer.code, POOL_ERR_CANCELLED);
    assert_true(atomic_load(&cancels) > 0);
    assert_rows(0);
}

static void a_callback_comes_for_no_rows_too(void **state)
{
    (void)state;
    static struct answer answer;
    answer = (struct answer){.affected = 1};
    make_pool_of_one(NULL);
    struct pool_batch_request request = pairs_request(NULL, 0);
    run_async(&request, &answer);
    assert_within(GENEROUS, atomic_load(&answer.calls) == 1);
    assert_int_equal(answer.code, POOL_OK);
    assert_int_equal(answer.affected, 0);
    assert_int_equal(stats_now().opened + stats_now().connecting, 0);
}

static void a_wrong_batch_is_refused_without_a_callback(void **state)
{
    (void)state;
    static struct answer answer;
    struct pool_error err;
    make_pool_of_one(NULL);
    struct pool_value values[] = {pool_int(1), pool_list(NULL, 0)};
    struct pool_batch_request request = pairs_request(values, 1);
    assert_false(pool_batch_async(f.pool, &request, on_answer, &answer, &err));
    assert_says(&err, POOL_ERR_INVALID, "row 1, column 2 is a list");
    assert_false(pool_batch_async(f.pool, &request, NULL, NULL, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_int_equal(answer.calls, 0);
}

static void many_batches_with_callbacks_run_side_by_side(void **state)
{
    (void)state;
    enum { BATCHES = 40, ROWS = 50 };
    static struct answer answers[BATCHES];
    memset(answers, 0, sizeof answers);
    make_pool(app_options());
    make_pairs_table();
    for (int i = 0; i < BATCHES; i++) {
        struct pool_value *values = new_pairs(i * ROWS, ROWS);
        struct pool_batch_request request = pairs_request(values, ROWS);
        run_async(&request, &answers[i]);
        free(values);
    }
    for (int i = 0; i < BATCHES; i++) {
        assert_within(GENEROUS, atomic_load(&answers[i].calls) == 1);
        assert_int_equal(answers[i].affected, ROWS);
    }
    assert_rows(BATCHES * ROWS);
}

/* ---- the rest of the pool ---- */

static void make_pool_of(const char *variable)
{
    struct pool_error err;
    f.pool = pool_create_url(getenv(variable), &err);
    if (!f.pool)
        fail_with(variable, &err);
}

static void a_batch_goes_over_tls(void **state)
{
    (void)state;
    make_pool_of("MYPOOL_TLS_URL");
    fill_and_check();
}

static void a_batch_goes_over_a_unix_socket(void **state)
{
    (void)state;
    make_pool_of("MYPOOL_SOCKET_URL");
    fill_and_check();
}

static void a_big_batch_with_a_callback_goes_over_tls(void **state)
{
    (void)state;
    static struct answer answer;
    answer = (struct answer){0};
    make_pool_of("MYPOOL_TLS_URL");
    make_pairs_table();
    struct pool_value *values = new_pairs(0, MANY);
    struct pool_batch_request request = pairs_request(values, MANY);
    run_async(&request, &answer);
    free(values);
    assert_within(GENEROUS, atomic_load(&answer.calls) == 1);
    assert_int_equal(answer.affected, MANY);
    assert_rows(MANY);
}

static void a_batch_leaves_the_session_clean(void **state)
{
    (void)state;
    make_small_packet_pool();
    fill_and_check();
    struct pool_value *values = new_pairs(0, SOME);
    batch("UPDATE held SET v = ? WHERE n = ?", values, SOME, 2);
    free(values);
    struct pool_stats stats = stats_now();
    assert_int_equal(stats.resets, 0);
    assert_int_equal(stats.opened, 1);
}

static void a_statement_is_prepared_once_for_batches_and_queries(void **state)
{
    (void)state;
    struct pool_error err;
    make_pool_of_one(NULL);
    admin_does(f.admin, "CREATE TABLE mypool.held (n INT, v VARCHAR(40))");
    struct pool_value *values = new_pairs(0, 10);
    for (int i = 0; i < 3; i++) {
        batch(insert, values, 10, 2);
        struct pool_result *one =
            pool_query(f.pool, insert, POOL_ARGS(-1, "text, not a number"), &err);
        need(one, &err);
        pool_result_free(one);
    }
    free(values);
    assert_int_equal(stats_now().prepares, 1);
    assert_sum("SELECT COUNT(*) FROM mypool.held WHERE v = 'text, not a number'", 3);
}

static struct seen {
    unsigned queries, acquires, releases;
    enum pool_code code;
} seen;

static void on_query(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                     enum pool_code code, void *arg)
{
    (void)digest, (void)elapsed_ns, (void)rows, (void)arg;
    seen.queries += label && strcmp(label, "the batch") == 0;
    seen.code = code;
}

static void on_acquire(uint64_t waited_ns, void *arg)
{
    (void)waited_ns, (void)arg;
    seen.acquires++;
}

static void on_release(uint64_t held_ns, void *arg)
{
    (void)held_ns, (void)arg;
    seen.releases++;
}

static void a_batch_is_one_call_to_hooks_and_statistics(void **state)
{
    (void)state;
    struct pool_options options = app_options();
    seen = (struct seen){0};
    options.max_packet_bytes = 16384;
    options.hooks.on_query = on_query;
    options.hooks.on_acquire = on_acquire;
    options.hooks.on_release = on_release;
    make_pool(options);
    make_pairs_table();
    struct pool_value *values = new_pairs(0, SOME);
    struct pool_batch_request request = pairs_request(values, SOME);
    request.label = "the batch";
    pool_result_free(pool_batch_with(f.pool, &request, NULL));
    struct pool_error err = failure_of(&request);
    free(values);
    assert_int_equal(err.server_errno, 1062);
    assert_true(seen.queries == 2 && seen.acquires == 2 && seen.releases == 2);
    assert_int_equal(seen.code, POOL_ERR_SERVER);
    struct pool_stats stats = stats_now();
    assert_true(stats.queries == 2 && stats.query_errors == 1);
    assert_true(stats.acquired == 2 && stats.released == 2 && stats.in_use == 0);
}

/* ---- */

static int begin(void **state)
{
    atomic_store(&no_bulk, false);
    return begin_fixture(state);
}

static int end(void **state)
{
    (void)state;
    end_fixture();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(integers_come_back),
        TEST(unsigned_integers_come_back),
        TEST(doubles_come_back),
        TEST(decimals_come_back),
        TEST(texts_come_back),
        TEST(bytes_come_back),
        TEST(dates_come_back),
        TEST(times_come_back),
        TEST(datetimes_come_back),
        TEST(a_column_of_nulls_is_null),
        TEST(integers_that_no_integer_type_holds_together_stay_exact),
        TEST(integers_and_doubles_stay_exact_together),
        TEST(a_double_among_decimals_is_the_same_double),
        TEST(each_value_among_texts_becomes_its_own_text),
        TEST(bytes_and_text_in_one_column_are_each_what_they_are),
        TEST(a_value_of_a_mebibyte_arrives),
        TEST(a_hundred_thousand_rows_of_four_columns_arrive),
        TEST(a_batch_bigger_than_a_packet_goes_in_several),
        TEST(the_servers_limit_of_a_packet_is_kept),
        TEST(a_row_bigger_than_a_packet_is_refused_by_its_number),
        TEST(a_row_may_fill_a_packet_to_its_last_byte),
        TEST(the_first_insert_id_is_told),
        TEST(updates_count_what_they_matched_and_deletes_what_they_removed),
        TEST(replaced_rows_count_twice),
        TEST(returned_rows_come_in_one_set),
        TEST(warnings_are_counted),
        TEST(no_rows_send_nothing),
        TEST(a_duplicate_key_undoes_its_chunk_alone),
        TEST(a_duplicate_key_undoes_an_atomic_batch),
        TEST(an_atomic_batch_of_one_chunk_is_one_statement),
        TEST(an_update_that_fails_undoes_its_chunk),
        TEST(a_statement_with_an_error_is_not_executed),
        TEST(nor_is_it_one_by_one),
        TEST(a_batch_ends_at_its_deadline),
        TEST(each_chunk_has_the_time_of_a_statement),
        TEST(a_connection_killed_between_chunks_leaves_those_before),
        TEST(a_connection_killed_in_an_atomic_batch_leaves_nothing),
        TEST(a_connection_that_died_before_is_exchanged),
        TEST(the_progress_function_can_stop_a_batch),
        TEST(a_stopped_atomic_batch_leaves_nothing),
        TEST(without_bulk_rows_go_one_by_one),
        TEST(without_pipelining_too),
        TEST(without_preparing_rows_go_as_text),
        TEST(a_server_without_room_for_statements_gets_text),
        TEST(a_statement_that_is_refused_in_bulk_is_remembered),
        TEST(one_by_one_the_row_that_failed_is_named),
        TEST(one_by_one_an_atomic_batch_is_atomic),
        TEST(one_by_one_returned_rows_come_in_one_set),
        TEST(a_row_that_was_executed_and_cannot_be_kept_is_not_called_undone),
        TEST(one_by_one_a_batch_ends_at_its_deadline),
        TEST(a_failed_packet_is_not_said_to_be_undone_without_transactions),
        TEST(what_could_not_be_undone_is_told),
        TEST(what_stays_of_a_later_chunk_is_told_too),
        TEST(a_column_of_one_type_and_null_goes_in_one_packet),
        TEST(a_packet_ends_where_a_column_changes_its_type),
        TEST(rows_go_one_by_one_where_types_change_all_the_time),
        TEST(a_batch_is_part_of_an_open_transaction),
        TEST(a_failed_atomic_batch_leaves_the_rest_of_the_transaction),
        TEST(a_batch_on_a_handle_commits_for_itself),
        TEST(a_batch_on_a_stale_handle_is_refused),
        TEST(wrong_values_are_named_by_row_and_column),
        TEST(wrong_statements_are_refused),
        TEST(wrong_arguments_are_refused),
        TEST(a_callback_gets_the_result_of_a_batch),
        TEST(a_callback_gets_the_failure_of_a_batch),
        TEST(a_cancelled_atomic_batch_leaves_nothing),
        TEST(a_callback_comes_for_no_rows_too),
        TEST(a_wrong_batch_is_refused_without_a_callback),
        TEST(many_batches_with_callbacks_run_side_by_side),
        TEST(a_batch_goes_over_tls),
        TEST(a_batch_goes_over_a_unix_socket),
        TEST(a_big_batch_with_a_callback_goes_over_tls),
        TEST(a_batch_leaves_the_session_clean),
        TEST(a_statement_is_prepared_once_for_batches_and_queries),
        TEST(a_batch_is_one_call_to_hooks_and_statistics),
    };
    return server_suite_main(argc, argv, tests);
}
