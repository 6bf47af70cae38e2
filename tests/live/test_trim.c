/*
 * The memory that a connection needed for a large row is given back, whether the connection
 * is idle afterwards or goes on with small ones; and large rows come whole all the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <mysql.h>

#include "clock.h"
#include "pools.h"
#include "suite.h"

#include <pthread.h>
#include <string.h>

#include "mypool.h"
#include "conn/conn.h"
#include "engine/pool.h"
#include "conn/trim.h"

#define PATIENCE_MS 60000
#define LARGE 15000000

static struct pool *the_pool;

static int set_up(void **state)
{
    (void)state;
    the_pool = pool_of("MYPOOL_URL", (struct pool_options){.connection_limit = 1});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return pool_end(the_pool, PATIENCE_MS, NULL) ? 0 : -1;
}

static struct pool_conn borrow(void)
{
    struct pool_conn conn;
    assert_true(pool_get_connection(the_pool, &conn, NULL));
    return conn;
}

/* The caller has the connection borrowed. */
static struct pool__conn *inside(void)
{
    return the_pool->core.slots[0].conn;
}

static void ask_for(struct pool_conn conn, size_t len)
{
    struct pool_error err;
    struct pool_result *result =
        pool_conn_query(conn, "SELECT REPEAT('x', ?), 'end'", POOL_ARGS((uint64_t)len), &err);
    if (!result || !pool_next(result))
        fail_msg("%zu bytes: %s", len, err.message);
    size_t got;
    const char *text = pool_get_bytes(result, 0, &got);
    assert_int_equal(got, len);
    assert_int_equal(strspn(text, "x"), len);
    assert_string_equal(pool_get_text(result, 1), "end");
    pool_result_free(result);
}

static void an_idle_connection_gives_back_what_a_large_row_needed(void **state)
{
    (void)state;
    struct pool_conn conn = borrow();
    ask_for(conn, LARGE);
    assert_true(pool__trim_is_bulky(inside()));
    assert_true(pool_conn_release(conn, NULL));
    WAIT_UNTIL(!atomic_load(&the_pool->records[0].bulky));
    conn = borrow();
    assert_false(pool__trim_is_bulky(inside()));
    ask_for(conn, 100);
    assert_true(pool_conn_release(conn, NULL));
    assert_int_equal(stats_of(the_pool).opened, 1);
}

static void a_busy_connection_gives_it_back_after_a_while(void **state)
{
    (void)state;
    struct pool_conn conn = borrow();
    ask_for(conn, LARGE);
    WAIT_UNTIL((ask_for(conn, 1), !pool__trim_is_bulky(inside())));
    assert_true(pool_conn_release(conn, NULL));
}

static void large_rows_come_whole_after_that(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 8191, 8192, 8193, 20000, POOL__PACKET_BYTES, 1000000, LARGE};
    struct pool_conn conn = borrow();
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        ask_for(conn, LARGE / (i + 1));
        pool__trim(inside());
        assert_false(pool__trim_is_bulky(inside()));
        ask_for(conn, sizes[i % (sizeof sizes / sizeof sizes[0])]);
        pool__trim(inside());
    }
    assert_true(pool_conn_release(conn, NULL));
    assert_int_equal(stats_of(the_pool).opened, 1);
}

static void what_is_not_much_is_kept(void **state)
{
    (void)state;
    struct pool_conn conn = borrow();
    ask_for(conn, POOL__PACKET_BYTES / 2);
    unsigned char *before = inside()->mysql->net.buff;
    pool__trim(inside());
    assert_ptr_equal(inside()->mysql->net.buff, before);
    assert_true(pool_conn_release(conn, NULL));
    assert_false(atomic_load(&the_pool->records[0].bulky));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_connection_gives_back_what_a_large_row_needed),
        TEST(a_busy_connection_gives_it_back_after_a_while),
        TEST(large_rows_come_whole_after_that),
        TEST(what_is_not_much_is_kept),
    };
    return server_suite_main(argc, argv, tests);
}
