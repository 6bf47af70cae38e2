/*
 * What a cancel does to others: to those who go along on the same connection, and to whoever
 * has the connection next. A KILL QUERY that comes late, or is never answered, must not hit
 * anybody.
 *
 * Needs a server: MYPOOL_URL. MYPOOL_CANCELS is how many calls are cancelled at random among
 * others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conn/conn.h"
#include "conn/stmt.h"
#include "fixture.h"

#include "calls.h"
#include "handled.h"
#include "suite.h"

#define PLUS "SELECT ? + 1"
#define ABOARD 5u
#define AT_ONCE 12u
#define KILL_MS 5000 /* after so long without an answer to its KILL a connection is closed */

/* ---- those who go along ---- */

static struct pool__conn *conn_of(struct pool_conn handle)
{
    return handle.pool->core.slots[(handle.ticket & 0xffffffff) - 1].conn;
}

/* Whether a statement may ride depends on how long it took; here all of them may. */
static void call_quick(struct pool_conn handle)
{
    struct pool__link *recent = &conn_of(handle)->cache.recent;
    for (struct pool__link *link = recent->next; link != recent; link = link->next)
        POOL__ENTRY(link, struct pool__stmt, link)->mean_ns = 1000;
}

/* They wait for the only connection; the first leads when it is given back. */
static struct pool_conn queue_up(struct handled *calls)
{
    make_pool_of(1, false);
    for (unsigned i = 0; i < 2; i++)
        pool_result_free(pool_query(f.pool, PLUS, POOL_ARGS(1), NULL));
    struct pool_conn conn = borrow();
    call_quick(conn);
    for (unsigned i = 0; i < ABOARD; i++)
        start_request((struct pool_request){.sql = PLUS, .args = POOL_ARGS(i)}, &calls[i]);
    assert_within(GENEROUS, stats_now().waiting == ABOARD);
    return conn;
}

/* All have been sent, and the server answers nobody. */
static void send_all_and_freeze(struct handled *calls)
{
    struct pool_conn conn = queue_up(calls);
    freeze_server();
    pool_conn_release(conn, NULL);
    assert_within(GENEROUS, stats_now().waiting == 0);
}

static void assert_neighbours_are_fine(struct handled *calls, unsigned but)
{
    for (unsigned i = 0; i < ABOARD; i++)
        if (i != but)
            assert_int_equal(value_of(&calls[i].seen), i + 1);
    assert_int_equal(stats_now().closed, 0);
    assert_int_equal(stats_now().pipelined, ABOARD - 1);
    must("SELECT 1");
}

static void who_rides_leaves_at_once_and_its_neighbours_do_not_notice(void **state)
{
    (void)state;
    struct handled calls[ABOARD];
    send_all_and_freeze(calls);
    cancel(calls[2].call);
    assert_seen_failed(&calls[2].seen, POOL_ERR_CANCELLED);
    assert_false(calls[2].seen.err.not_executed);
    thaw_server();
    assert_neighbours_are_fine(calls, 2);
    assert_int_equal(atomic_load(&calls[2].seen.calls), 1);
}

static void who_leads_is_not_stopped_and_loses_its_result(void **state)
{
    (void)state;
    struct handled calls[ABOARD];
    send_all_and_freeze(calls);
    cancel(calls[0].call);
    pause_ms(20); /* a kill would be ordered now */
    thaw_server();
    assert_seen_failed(&calls[0].seen, POOL_ERR_CANCELLED);
    assert_neighbours_are_fine(calls, 0);
}

static void all_who_go_together_may_be_cancelled(void **state)
{
    (void)state;
    struct handled calls[ABOARD];
    send_all_and_freeze(calls);
    for (unsigned i = 0; i < ABOARD; i++)
        cancel(calls[i].call);
    for (unsigned i = 1; i < ABOARD; i++)
        assert_seen_failed(&calls[i].seen, POOL_ERR_CANCELLED);
    thaw_server();
    assert_seen_failed(&calls[0].seen, POOL_ERR_CANCELLED);
    must("SELECT 1");
    assert_int_equal(stats_now().closed, 0);
}

/* ---- a kill that is not answered ---- */

static bool kill_is_given_up(void)
{
    pthread_mutex_lock(&f.pool->control.lock);
    bool broken = f.pool->control.conn && f.pool->control.conn->broken;
    pthread_mutex_unlock(&f.pool->control.lock);
    return broken;
}

static void a_connection_whose_kill_has_no_answer_is_not_lent_again(void **state)
{
    (void)state;
    struct handled call;
    start_for_long(false, &call);
    cancel(call.call); /* opens the control connection */
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
    start_handled(FOR_LONG, &call);
    assert_within(GENEROUS, server_runs(FOR_LONG, 1));
    freeze_server();
    cancel(call.call);
    assert_within(GENEROUS, kill_is_given_up());
    assert_int_equal(atomic_load(&call.seen.calls), 0);
    thaw_server(); /* which finds the KILL */
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
    assert_within(GENEROUS, stats_now().closed == 1);
    must("SELECT 1");
}

static void a_control_connection_that_has_died_is_replaced(void **state)
{
    (void)state;
    struct handled call;
    start_for_long(false, &call);
    cancel(call.call);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
    pthread_mutex_lock(&f.pool->control.lock);
    unsigned long id = f.pool->control.conn->thread_id;
    pthread_mutex_unlock(&f.pool->control.lock);
    start_handled(FOR_LONG, &call);
    assert_within(GENEROUS, server_runs(FOR_LONG, 1));
    admin_does(f.admin, "KILL %lu", id);
    assert_within(GENEROUS, is_gone(f.admin, id));
    cancel(call.call);
    assert_seen_failed(&call.seen, POOL_ERR_CANCELLED);
    assert_int_equal(stats_now().closed, 0);
}

/* ---- at random ---- */

struct mix {
    struct handled calls[AT_ONCE];
    bool used[AT_ONCE];
    bool spared[AT_ONCE];
    bool cancelled[AT_ONCE];
    uint64_t cancelled_ms[AT_ONCE]; /* when, for the last time */
    unsigned count;                 /* of calls that were cancelled */
    unsigned unanswered;            /* that ended so late that their KILL may have had no answer */
    unsigned stopped;
    uint64_t random;
};

static uint64_t dice(struct mix *mix, uint64_t sides)
{
    mix->random ^= mix->random << 13;
    mix->random ^= mix->random >> 7;
    mix->random ^= mix->random << 17;
    return (mix->random >> 20) % sides;
}

static void busy_for(uint64_t ns)
{
    uint64_t end = pool__now_ns() + ns;
    while (pool__now_ns() < end)
        ;
}

/* Quicker than assert_seen, because of their number. */
static void await(struct seen *seen)
{
    uint64_t end = now_ms() + GENEROUS;
    while (!atomic_load(&seen->calls) && now_ms() < end)
        nanosleep(&(struct timespec){0, 20000}, NULL);
    assert_seen(seen);
}

/* Who was not cancelled has its result; who was, that or CANCELLED. */
static void settle(struct mix *mix, unsigned i)
{
    struct seen *seen = &mix->calls[i].seen;
    await(seen);
    if (!seen->ok && (!mix->cancelled[i] || seen->err.code != POOL_ERR_CANCELLED))
        fail_with(mix->cancelled[i] ? "cancelled" : "not cancelled", &seen->err);
    mix->stopped += !seen->ok && !seen->err.not_executed;
    mix->unanswered += mix->cancelled[i] && now_ms() - mix->cancelled_ms[i] >= KILL_MS;
    pool_result_free(seen->result);
    mix->used[i] = false;
}

static void start_some(struct mix *mix, unsigned i)
{
    static const char *const kinds[] = {"SELECT SLEEP(0.001)", "SELECT SLEEP(0.0002)",
                                        "SELECT 1 + 1", "SELECT COUNT(*) FROM seq_1_to_3000",
                                        "SELECT seq FROM seq_1_to_200"};
    struct pool_request request = {.sql = kinds[dice(mix, 5)], .alone = dice(mix, 2)};
    start_request(request, &mix->calls[i]);
    mix->used[i] = true;
    mix->spared[i] = dice(mix, 3) == 0;
    mix->cancelled[i] = false;
}

/* Perhaps for the second time. */
static void cancel_some(struct mix *mix, unsigned i)
{
    if (!mix->used[i] || mix->spared[i] || !pool_cancel(mix->calls[i].call, NULL))
        return;
    mix->count += !mix->cancelled[i];
    mix->cancelled[i] = true;
    mix->cancelled_ms[i] = now_ms();
}

static unsigned cancels(void)
{
    const char *wish = getenv("MYPOOL_CANCELS");
    return wish ? (unsigned)strtoul(wish, NULL, 10) : SANITIZED ? 500 : 5000;
}

/* But what the server left without an answer, as it does when the machine stands still. */
static void assert_only_the_unanswered_were_closed(const struct mix *mix)
{
    struct pool_stats stats = stats_now();
    if (stats.closed > mix->unanswered)
        fail_msg("%llu connections were closed, %llu of them after an error and %llu after a "
                 "timeout; %u cancelled calls ended late enough for that",
                 (unsigned long long)stats.closed,
                 (unsigned long long)stats.closed_by_reason[POOL_CLOSE_ERROR],
                 (unsigned long long)stats.closed_by_reason[POOL_CLOSE_TIMEOUT], mix->unanswered);
}

static void nobody_is_hit_but_who_was_cancelled(void **state)
{
    (void)state;
    static struct mix mix;
    mix = (struct mix){.random = now_ms() | 1};
    make_pool_of(LIMIT, false);
    start_neighbours(LIMIT);
    while (mix.count < cancels()) {
        unsigned i = (unsigned)dice(&mix, AT_ONCE);
        if (mix.used[i])
            settle(&mix, i);
        start_some(&mix, i);
        busy_for(dice(&mix, 300000));
        cancel_some(&mix, (unsigned)dice(&mix, AT_ONCE));
    }
    for (unsigned i = 0; i < AT_ONCE; i++)
        if (mix.used[i])
            settle(&mix, i);
    assert_neighbours_were_fine();
    print_message("%u were stopped or dropped after they had been sent, %u ended late, %llu "
                  "connections were closed\n",
                  mix.stopped, mix.unanswered, (unsigned long long)stats_now().closed);
    assert_true(mix.stopped > 0);
    assert_only_the_unanswered_were_closed(&mix);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        HANDLED_TEST(who_rides_leaves_at_once_and_its_neighbours_do_not_notice),
        HANDLED_TEST(who_leads_is_not_stopped_and_loses_its_result),
        HANDLED_TEST(all_who_go_together_may_be_cancelled),
        HANDLED_TEST(a_connection_whose_kill_has_no_answer_is_not_lent_again),
        HANDLED_TEST(a_control_connection_that_has_died_is_replaced),
        HANDLED_TEST(nobody_is_hit_but_who_was_cancelled),
    };
    return server_suite_main(argc, argv, tests);
}
