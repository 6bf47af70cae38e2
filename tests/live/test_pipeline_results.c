/*
 * Statements that go together on one connection: each caller gets its own rows, ids and
 * errors, whatever happens to the tables and to the session, and the books balance.
 * See callers.h for how the queue is made.
 */
#include <mysql.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "callers.h"
#include "suite.h"
#include "conn/conn.h"
#include "conn/pipeline.h"

#define INSERT "INSERT INTO t (k, v) VALUES (?, ?)"
#define INCREMENT "UPDATE t SET v = v + 1 WHERE k = ?"
#define PLUS "SELECT ? + 1"
#define ADD_ROWS "INSERT INTO mypool.t (k, v) SELECT seq, 0 FROM mysql.seq_1_to_20"

static void make_table_and_pool(struct pool_options options)
{
    admin_does(f.admin,
               "CREATE TABLE mypool.t (id INT AUTO_INCREMENT PRIMARY KEY, k INT UNIQUE, v INT)");
    make_pool(options);
}

static void release_and_join(unsigned riders)
{
    let_go();
    join_callers();
    assert_int_equal(stats_now().pipelined, riders);
}

/* Rows */

static void each_gets_the_rows_of_its_own_statement(void **state)
{
    static const char named[] = "SELECT :b, :a + 0";
    struct pool_value list[] = {pool_int(3), pool_int(5), pool_int(8)};
    static const char sum[] = "SELECT SUM(k) FROM t WHERE k IN (?)";
    (void)state;
    make_table_and_pool(one_connection());
    admin_does(f.admin, ADD_ROWS);
    warm(PLUS, POOL_ARGS(1));
    warm("SELECT ? IS NULL", POOL_ARGS(1));
    warm(named, POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("b", 2)));
    warm(sum, POOL_ARGS(pool_list(list, 3)));
    hold();
    struct caller *plus = queue_up(PLUS, POOL_ARGS(41));
    struct caller *null = queue_up("SELECT ? IS NULL", POOL_ARGS(NULL));
    struct caller *by_name = queue_up(named, POOL_ARGS(POOL_NAMED("a", 1), POOL_NAMED("b", 9)));
    struct caller *by_list = queue_up(sum, POOL_ARGS(pool_list(list, 3)));
    release_and_join(3);
    assert_int_equal(answer_of(plus), 42);
    assert_int_equal(answer_of(null), 1);
    assert_int_equal(answer_of(by_name), 9);
    assert_int_equal(answer_of(by_list), 16);
}

#define BIG 200000

static bool is_all(const char *text, char letter)
{
    return text && strlen(text) == BIG && text[0] == letter && memcmp(text, text + 1, BIG - 1) == 0;
}

static void results_bigger_than_any_buffer_reach_their_callers(void **state)
{
    static const char sql[] = "SELECT REPEAT(?, 200000)";
    static const char *const letters[] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                          "i", "j", "k", "l", "m", "n", "o", "p"};
    (void)state;
    make_pool(one_connection());
    warm(sql, POOL_ARGS("x"));
    hold();
    for (unsigned i = 0; i < 16; i++)
        queue_up(sql, POOL_ARGS(letters[i]));
    release_and_join(15);
    assert_all_ok();
    for (unsigned i = 0; i < 16; i++) {
        assert_true(pool_next(q.callers[i].result));
        assert_true(is_all(pool_get_text(q.callers[i].result, 0), letters[i][0]));
    }
}

static void ride_for_texts_of(unsigned long size)
{
    hold();
    for (unsigned i = 0; i < 4; i++)
        queue_up("SELECT REPEAT('x', ?)", POOL_ARGS(size));
    let_go();
    join_callers();
    assert_all_ok();
    for (unsigned i = 0; i < 4; i++) {
        size_t len = 0;
        assert_true(pool_next(q.callers[i].result));
        pool_get_bytes(q.callers[i].result, 0, &len);
        assert_int_equal(len, size);
    }
    forget_callers();
}

/* The leader sleeps until replies of the usual size could be there; these never come. */
static void replies_smaller_than_usual_are_taken_as_they_are(void **state)
{
    struct pool_options options = one_connection();
    (void)state;
    options.query_timeout_ms = 10000;         /* who goes on sleeping does not come back in time, */
    options.tcp_user_timeout_ms = POOL_NEVER; /* and nothing else wakes it */
    make_pool(options);
    warm("SELECT REPEAT('x', ?)", POOL_ARGS(500));
    ride_for_texts_of(500);
    ride_for_texts_of(500);
    ride_for_texts_of(1);
    ride_for_texts_of(1);
    ride_for_texts_of(500);
}

/* Ids, counts and errors */

static void insert_ids_are_each_ones_own(void **state)
{
    (void)state;
    make_table_and_pool(one_connection());
    warm(INSERT, POOL_ARGS(NULL, 0));
    hold();
    for (int i = 0; i < 8; i++)
        queue_up(INSERT, POOL_ARGS(100 + i, i));
    release_and_join(7);
    assert_all_ok();
    for (int i = 0; i < 8; i++) {
        char sql[80];
        snprintf(sql, sizeof sql, "SELECT k FROM mypool.t WHERE id = %lu",
                 (unsigned long)pool_insert_id(q.callers[i].result));
        assert_int_equal(admin_asks(f.admin, sql), 100 + i);
    }
}

static void affected_rows_are_each_ones_own(void **state)
{
    static const char sql[] = "UPDATE t SET v = v + 1 WHERE k <= ?";
    (void)state;
    make_table_and_pool(one_connection());
    admin_does(f.admin, ADD_ROWS);
    warm(sql, POOL_ARGS(0));
    hold();
    for (int i = 0; i < 8; i++)
        queue_up(sql, POOL_ARGS(i));
    release_and_join(7);
    assert_all_ok();
    for (int i = 0; i < 8; i++)
        assert_int_equal(pool_affected_rows(q.callers[i].result), i);
}

static void of_equal_keys_exactly_one_is_inserted(void **state)
{
    unsigned successes = 0;
    (void)state;
    make_table_and_pool(one_connection());
    warm(INSERT, POOL_ARGS(NULL, 0));
    hold();
    for (int i = 0; i < 8; i++)
        queue_up(INSERT, POOL_ARGS(5, i));
    release_and_join(7);
    for (int i = 0; i < 8; i++) {
        successes += q.callers[i].ok;
        assert_true(q.callers[i].ok || q.callers[i].err.server_errno == 1062);
    }
    assert_int_equal(successes, 1);
    assert_int_equal(admin_asks(f.admin, "SELECT COUNT(*) FROM mypool.t WHERE k = 5"), 1);
    assert_int_equal(stats_now().query_errors, 7);
}

static void errors_are_each_ones_own(void **state)
{
    (void)state;
    make_table_and_pool(one_connection());
    warm(INSERT, POOL_ARGS(NULL, 0));
    warm(PLUS, POOL_ARGS(1));
    admin_does(f.admin, ADD_ROWS);
    hold();
    for (int i = 0; i < 4; i++) {
        queue_up(INSERT, POOL_ARGS(11 + i, 0));
        queue_up(PLUS, POOL_ARGS(i));
    }
    release_and_join(7);
    for (int i = 0; i < 4; i++) {
        char entry[40];
        snprintf(entry, sizeof entry, "Duplicate entry '%d'", 11 + i);
        assert_int_equal(q.callers[2 * i].err.code, POOL_ERR_SERVER);
        assert_non_null(strstr(q.callers[2 * i].err.message, entry));
        assert_int_equal(answer_of(&q.callers[2 * i + 1]), i + 1);
    }
}

/* Nobody knows what it has done. */
static void make_fatal_trigger(void)
{
    admin_does(f.admin,
               "CREATE TRIGGER mypool.fatal BEFORE INSERT ON mypool.t FOR EACH ROW BEGIN "
               "IF NEW.k > 10 THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1180; END IF; END");
}

/* The error means that the connection is to be closed, and the replies behind it are there. */
static void an_error_that_ends_the_connection_is_its_own_statements_alone(void **state)
{
    (void)state;
    make_table_and_pool(one_connection());
    make_fatal_trigger();
    warm(INSERT, POOL_ARGS(NULL, 0));
    warm(PLUS, POOL_ARGS(1));
    hold();
    for (int i = 0; i < 3; i++) {
        queue_up(INSERT, POOL_ARGS(11 + i, 0));
        queue_up(PLUS, POOL_ARGS(i));
    }
    release_and_join(5);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(q.callers[2 * i].err.server_errno, 1180);
        assert_int_equal(q.callers[2 * i].err.code, POOL_ERR_LOST);
        assert_int_equal(answer_of(&q.callers[2 * i + 1]), i + 1);
    }
    assert_within(GENEROUS, stats_now().closed_by_reason[POOL_CLOSE_ERROR] == 1);
}

static void writes_that_a_server_refuses_are_each_ones_own(void **state)
{
    (void)state;
    make_table_and_pool(one_connection());
    warm(INSERT, POOL_ARGS(NULL, 0));
    warm(PLUS, POOL_ARGS(1));
    hold();
    admin_does(f.admin, "SET GLOBAL read_only = 1");
    for (int i = 0; i < 3; i++) {
        queue_up(INSERT, POOL_ARGS(11 + i, 0));
        queue_up(PLUS, POOL_ARGS(i));
    }
    release_and_join(5);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(q.callers[2 * i].err.server_errno, 1290);
        assert_true(q.callers[2 * i].err.not_executed);
        assert_int_equal(answer_of(&q.callers[2 * i + 1]), i + 1);
    }
    assert_within(GENEROUS, stats_now().closed_by_reason[POOL_CLOSE_READ_ONLY] == 1);
}

/* The session */

/* The server reports a change only if there was one. */
static void make_trigger(void)
{
    admin_does(f.admin, "CREATE TRIGGER mypool.traces BEFORE INSERT ON mypool.t FOR EACH ROW BEGIN "
                        "IF NEW.k > 100 THEN SET @trace = NEW.k; END IF; END");
}

static void what_a_trigger_leaves_in_the_session_reaches_no_later_caller(void **state)
{
    static const char sql[] = "SELECT @trace IS NULL";
    (void)state;
    make_table_and_pool(one_connection());
    make_trigger();
    warm(INSERT, POOL_ARGS(NULL, 0));
    hold();
    queue_up(INSERT, POOL_ARGS(1, 0));
    queue_up(INSERT, POOL_ARGS(101, 0));
    struct caller *behind = queue_up(sql, POOL_NO_ARGS);
    release_and_join(1);
    assert_int_equal(answer_of(behind), 1);
    assert_int_equal(stats_now().resets, 1);
}

static void a_statement_whose_trigger_has_left_traces_is_known_for_it(void **state)
{
    struct pool_options options = one_connection();
    (void)state;
    options.reset_policy = POOL_RESET_NEVER;
    make_table_and_pool(options);
    make_trigger();
    warm(INSERT, POOL_ARGS(NULL, 0));
    hold();
    assert_false(stmt_of(q.held, INSERT)->leaves_traces);
    queue_up(INSERT, POOL_ARGS(1, 0));
    queue_up(INSERT, POOL_ARGS(101, 0));
    release_and_join(1);
    hold();
    assert_true(stmt_of(q.held, INSERT)->leaves_traces);
    let_go();
}

/* Changes under way */

#define ALL_OF "SELECT * FROM t WHERE k = ?"

/* A queue of six, and the table is altered before they go. */
static void alter_under(const char *change)
{
    make_table_and_pool(one_connection());
    admin_does(f.admin, ADD_ROWS);
    warm(ALL_OF, POOL_ARGS(1));
    hold();
    for (int i = 0; i < 6; i++)
        queue_up(ALL_OF, POOL_ARGS(1 + i));
    admin_does(f.admin, "ALTER TABLE mypool.t %s", change);
    release_and_join(5);
    assert_all_ok();
    for (int i = 0; i < 6; i++)
        assert_true(pool_next(q.callers[i].result));
    assert_int_equal(stats_now().query_errors, 0);
}

static void a_column_that_was_added_is_there_for_all(void **state)
{
    (void)state;
    alter_under("ADD COLUMN late INT DEFAULT 77 FIRST");
    for (int i = 0; i < 6; i++) {
        struct pool_result *row = q.callers[i].result;
        assert_int_equal(pool_column_count(row), 4);
        assert_string_equal(pool_column_name(row, 0), "late");
        assert_int_equal(pool_get_int(row, 0), 77);
        assert_int_equal(pool_get_int(row, 2), 1 + i);
    }
}

static void a_column_that_was_dropped_is_gone_for_all(void **state)
{
    (void)state;
    alter_under("DROP COLUMN id");
    for (int i = 0; i < 6; i++) {
        assert_int_equal(pool_column_count(q.callers[i].result), 2);
        assert_int_equal(pool_get_int(q.callers[i].result, 0), 1 + i);
    }
}

static void a_column_of_another_name_and_type_is_right_for_all(void **state)
{
    (void)state;
    alter_under("CHANGE v w VARCHAR(20)");
    for (int i = 0; i < 6; i++) {
        assert_string_equal(pool_column_name(q.callers[i].result, 2), "w");
        assert_int_equal(pool_column_type(q.callers[i].result, 2), POOL_TYPE_TEXT);
        assert_string_equal(pool_get_text(q.callers[i].result, 2), "0");
    }
    run(ALL_OF, POOL_ARGS(3));
}

static void a_cache_of_one_statement_serves_two_in_turn(void **state)
{
    struct pool_options options = one_connection();
    (void)state;
    options.statement_cache = 1;
    make_pool(options);
    warm("SELECT ? - 1", POOL_ARGS(1));
    warm(PLUS, POOL_ARGS(1));
    hold();
    for (int i = 0; i < 10; i++)
        queue_up(i >= 5 ? "SELECT ? - 1" : PLUS, POOL_ARGS(i));
    let_go();
    join_callers();
    for (int i = 0; i < 10; i++)
        assert_int_equal(answer_of(&q.callers[i]), i >= 5 ? i - 1 : i + 1);
    assert_true(stats_now().pipelined >= 4);
}

static void a_server_without_room_for_statements_answers_everybody(void **state)
{
    (void)state;
    make_pool(one_connection());
    warm(PLUS, POOL_ARGS(1));
    hold();
    admin_does(f.admin, "SET GLOBAL max_prepared_stmt_count = 0");
    for (int i = 0; i < 8; i++)
        queue_up(i >= 4 ? "SELECT ? - 1" : PLUS, POOL_ARGS(i));
    let_go();
    join_callers();
    for (int i = 0; i < 8; i++)
        assert_int_equal(answer_of(&q.callers[i]), i >= 4 ? i - 1 : i + 1);
    assert_true(stats_now().pipelined >= 3);
}

/* The server has closed all that was prepared on the connection, and nobody knows. */
static void make_server_forget(const char *sql)
{
    struct pool__conn *conn = conn_of(q.held);
    unsigned long id = stmt_of(q.held, sql)->native->stmt_id;
    char packet[4] = {(char)id, (char)(id >> 8), (char)(id >> 16), (char)(id >> 24)};
    assert_int_equal(
        conn->mysql->methods->db_command(conn->mysql, COM_STMT_CLOSE, packet, 4, 1, NULL), 0);
}

static void statements_that_the_server_has_forgotten_run_again_once_each(void **state)
{
    (void)state;
    make_table_and_pool(one_connection());
    admin_does(f.admin, ADD_ROWS);
    warm(INCREMENT, POOL_ARGS(-1));
    warm(PLUS, POOL_ARGS(1));
    hold();
    for (int i = 0; i < 4; i++) {
        queue_up(INCREMENT, POOL_ARGS(1 + i));
        queue_up(PLUS, POOL_ARGS(i));
    }
    make_server_forget(INCREMENT);
    release_and_join(7);
    assert_all_ok();
    for (int i = 0; i < 4; i++)
        assert_int_equal(answer_of(&q.callers[2 * i + 1]), i + 1);
    assert_int_equal(admin_asks(f.admin, "SELECT SUM(v = 1) FROM mypool.t WHERE k <= 4"), 4);
    assert_int_equal(admin_asks(f.admin, "SELECT SUM(v) FROM mypool.t"), 4);
    assert_int_equal(stats_now().query_errors, 0);
}

/* The books */

static struct books {
    _Atomic unsigned enqueued, acquired, released, queries, errors;
} books;

static void note_enqueue(void *arg)
{
    (void)arg;
    atomic_fetch_add(&books.enqueued, 1);
}

static void note_acquire(uint64_t waited_ns, void *arg)
{
    (void)waited_ns;
    (void)arg;
    atomic_fetch_add(&books.acquired, 1);
}

static void note_release(uint64_t held_ns, void *arg)
{
    (void)held_ns;
    (void)arg;
    atomic_fetch_add(&books.released, 1);
}

static void note_query(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                       enum pool_code code, void *arg)
{
    (void)digest;
    (void)elapsed_ns;
    (void)rows;
    (void)arg;
    bool right = !label || strcmp(label, code == POOL_OK ? "good" : "bad") == 0;
    atomic_fetch_add(&books.queries, right);
    atomic_fetch_add(&books.errors, code != POOL_OK);
}

static struct pool_options observed(void)
{
    struct pool_options options = one_connection();
    memset(&books, 0, sizeof books);
    options.hooks = (struct pool_hooks){.on_enqueue = note_enqueue,
                                        .on_acquire = note_acquire,
                                        .on_release = note_release,
                                        .on_query = note_query};
    return options;
}

static void hooks_come_in_pairs_and_the_books_balance(void **state)
{
    (void)state;
    make_table_and_pool(observed());
    warm(INSERT, POOL_ARGS(NULL, 0));
    hold();
    struct pool_stats before = stats_now();
    memset(&books, 0, sizeof books);
    for (int i = 0; i < 9; i++)
        queue_up_with((struct pool_request){.sql = INSERT,
                                            .args = POOL_ARGS(i ? 5 : 4, 0),
                                            .label = i < 2 ? "good" : "bad"},
                      call_query);
    release_and_join(8);
    struct pool_stats after = stats_now();
    assert_int_equal(after.enqueued - before.enqueued, 9);
    assert_int_equal(after.acquired - before.acquired, 9);
    assert_int_equal(after.released - before.released, 10); /* the test's own, too */
    assert_int_equal(after.queries - before.queries, 9);
    assert_int_equal(after.query_errors - before.query_errors, 7);
    assert_int_equal(after.acquired, after.released + after.in_use);
    assert_true(after.waited_ns > before.waited_ns);
    assert_true(books.enqueued == 9 && books.acquired == 9 && books.released == 10);
    assert_true(books.queries == 9 && books.errors == 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_queue, tear_down_queue)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(each_gets_the_rows_of_its_own_statement),
        TEST(results_bigger_than_any_buffer_reach_their_callers),
        TEST(replies_smaller_than_usual_are_taken_as_they_are),
        TEST(insert_ids_are_each_ones_own),
        TEST(affected_rows_are_each_ones_own),
        TEST(of_equal_keys_exactly_one_is_inserted),
        TEST(errors_are_each_ones_own),
        TEST(an_error_that_ends_the_connection_is_its_own_statements_alone),
        TEST(writes_that_a_server_refuses_are_each_ones_own),
        TEST(what_a_trigger_leaves_in_the_session_reaches_no_later_caller),
        TEST(a_statement_whose_trigger_has_left_traces_is_known_for_it),
        TEST(a_column_that_was_added_is_there_for_all),
        TEST(a_column_that_was_dropped_is_gone_for_all),
        TEST(a_column_of_another_name_and_type_is_right_for_all),
        TEST(a_cache_of_one_statement_serves_two_in_turn),
        TEST(a_server_without_room_for_statements_answers_everybody),
        TEST(statements_that_the_server_has_forgotten_run_again_once_each),
        TEST(hooks_come_in_pairs_and_the_books_balance),
    };
    return server_suite_main(argc, argv, tests);
}
