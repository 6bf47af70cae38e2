/*
 * All threads work on `beside` and touch atomic members alone, but for texts and lists that are
 * read after they have ended. Where the number of server threads matters the sampler has a
 * connection of its own, and reads the process list every few milliseconds.
 */
#include "beside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "mypool.h"

struct beside beside;

/* The administrator */

bool kill_on_server(unsigned long id)
{
    char sql[64];
    snprintf(sql, sizeof sql, "KILL CONNECTION %lu", id);
    return ask(f.admin, sql, NULL, 0);
}

/* The server's process */

void reconnect_admin(void)
{
    mysql_close(f.admin);
    f.admin = connect_admin();
    assert_non_null(f.admin);
}

void restart_server(void)
{
    assert_true(run_restart("wait"));
    reconnect_admin();
}

/* Pools */

void assert_works(void)
{
    struct pool_error err;
    if (!works(&err))
        fail_msg("%s (%u): %s", pool_code_name(err.code), err.server_errno, err.message);
}

void open_at_once(unsigned count, unsigned long *ret_ids)
{
    struct pool_conn conns[MOST];
    struct pool_error err;
    for (unsigned i = 0; i < count; i++) {
        if (!pool_get_connection(f.pool, &conns[i], &err))
            fail_msg("%s: %s", pool_code_name(err.code), err.message);
        if (ret_ids)
            ret_ids[i] = pool_conn_thread_id(conns[i]);
    }
    while (count-- > 0)
        pool_conn_release(conns[count], NULL);
}

/* Load */

void raise_to(_Atomic uint64_t *most, uint64_t value)
{
    uint64_t seen = atomic_load(most);
    while (seen < value && !atomic_compare_exchange_weak(most, &seen, value))
        ;
}

static void question(struct load *load, unsigned number, int64_t asked)
{
    struct pool_error err;
    struct pool_value value = pool_int(asked);
    struct pool_request request = {
        .sql = "SELECT ? + 1", .args = {&value, 1}, .timeout_ms = load->timeout_ms};
    uint64_t begin = now_ms();
    struct pool_result *answer = pool_query_with(load->pool, &request, &err);
    raise_to(&load->longest, now_ms() - begin);
    if (!answer) {
        if (atomic_fetch_add(&load->errors[err.code], 1) == 0)
            memcpy(load->first[err.code], err.message, sizeof err.message);
        pause_ms(5);
        return;
    }
    if (!pool_next(answer) || pool_get_int(answer, 0) != asked + 1)
        atomic_fetch_add(&load->wrong, 1);
    atomic_fetch_add(&load->ok[number], 1);
    pool_result_free(answer);
}

/* What holds at any moment, and what never goes backwards. */
static bool books_balance(const struct pool_stats *stats, const struct pool_stats *before)
{
    return stats->acquired == stats->released + stats->in_use &&
           stats->idle + stats->in_use <= stats->open && stats->acquired >= before->acquired &&
           stats->released >= before->released && stats->opened >= before->opened &&
           stats->closed >= before->closed && stats->queries >= before->queries &&
           stats->query_errors >= before->query_errors;
}

static void *run_load(void *arg)
{
    static _Atomic unsigned numbers;
    struct load *load = arg;
    struct pool_stats stats, before = {0};
    unsigned number = atomic_fetch_add(&numbers, 1) % load->count;
    for (int64_t i = 0; !atomic_load(&load->stop); i++) {
        question(load, number, (int64_t)number * 1000000000 + i);
        pool_stats(load->pool, &stats);
        atomic_fetch_add(&load->unbalanced, !books_balance(&stats, &before));
        before = stats;
    }
    return NULL;
}

void start_load(unsigned count, uint32_t timeout_ms)
{
    memset(&beside.load, 0, sizeof beside.load);
    beside.load.pool = f.pool;
    beside.load.timeout_ms = timeout_ms;
    beside.load.count = count;
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_create(&beside.load.ids[i], NULL, run_load, &beside.load), 0);
}

void stop_load(void)
{
    atomic_store(&beside.load.stop, true);
    for (unsigned i = 0; i < beside.load.count; i++)
        pthread_join(beside.load.ids[i], NULL);
    beside.load.count = 0;
}

uint64_t successes(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < MOST; i++)
        sum += atomic_load(&beside.load.ok[i]);
    return sum;
}

uint64_t failures(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < CODES; i++)
        sum += atomic_load(&beside.load.errors[i]);
    return sum;
}

void assert_errors_only(unsigned allowed)
{
    for (unsigned i = 0; i < CODES; i++)
        if (atomic_load(&beside.load.errors[i]) && !(allowed & 1u << i))
            fail_msg("%lu x %s: %s", atomic_load(&beside.load.errors[i]), pool_code_name(i),
                     beside.load.first[i]);
    assert_int_equal(atomic_load(&beside.load.wrong), 0);
}

bool everybody_served(void)
{
    for (unsigned i = 0; i < beside.load.count; i++)
        if (!atomic_load(&beside.load.ok[i]))
            return false;
    return true;
}

void zero_successes(void)
{
    for (unsigned i = 0; i < MOST; i++)
        atomic_store(&beside.load.ok[i], 0);
}

/* The sampler */

static void look_at_process_list(struct sampler *sampler, MYSQL *admin)
{
    char text[4096];
    if (!ask(admin,
             "SELECT CONCAT(COUNT(*), ' ', COALESCE(GROUP_CONCAT(CONCAT(id, ' ', command, ' ', "
             "time_ms, ' ', COALESCE(info, '-')) SEPARATOR ' | '), '')) FROM "
             "information_schema.processlist WHERE user = 'app'",
             text, sizeof text))
        return;
    unsigned count = (unsigned)strtoul(text, NULL, 10);
    if (count > atomic_load(&sampler->peak)) {
        atomic_store(&sampler->peak, count);
        memcpy(sampler->list, text, sizeof text);
    }
    atomic_fetch_add(&sampler->samples, 1);
}

static void *run_sampler(void *arg)
{
    struct sampler *sampler = arg;
    MYSQL *admin = NULL;
    while (!atomic_load(&sampler->stop)) {
        if (!admin)
            admin = connect_admin();
        if (admin) {
            look_at_process_list(sampler, admin);
            if (mysql_errno(admin)) {
                mysql_close(admin);
                admin = NULL;
            }
        }
        pause_ms(5);
    }
    mysql_close(admin);
    return NULL;
}

void start_sampler(void)
{
    memset(&beside.sampler, 0, sizeof beside.sampler);
    assert_int_equal(pthread_create(&beside.sampler.id, NULL, run_sampler, &beside.sampler), 0);
    beside.sampler.started = true;
}

static void stop_sampler(void)
{
    if (!beside.sampler.started)
        return;
    atomic_store(&beside.sampler.stop, true);
    pthread_join(beside.sampler.id, NULL);
    beside.sampler.started = false;
}

void assert_peak(unsigned most)
{
    stop_sampler();
    assert_true(atomic_load(&beside.sampler.samples) > 0);
    print_message("           peak of %u server threads in %u samples, %u allowed\n",
                  atomic_load(&beside.sampler.peak), atomic_load(&beside.sampler.samples), most);
    if (atomic_load(&beside.sampler.peak) > most)
        fail_msg("too many server threads: %s", beside.sampler.list);
}

/* Calls on threads */

bool query_by_call(struct call *call)
{
    struct pool_result *result = pool_query_with(call->pool, &call->request, &call->err);
    pool_result_free(result);
    return result != NULL;
}

static void *run_call(void *arg)
{
    struct call *call = arg;
    uint64_t begin = now_ms();
    call->ok = call->how(call);
    call->took_ms = now_ms() - begin;
    atomic_store(&call->done, true);
    return NULL;
}

struct call *start_call_by(bool (*how)(struct call *call), const char *sql, uint32_t timeout_ms)
{
    struct call *call = &beside.calls[beside.call_count];
    memset(call, 0, sizeof *call);
    call->pool = f.pool;
    call->how = how;
    call->request = (struct pool_request){.sql = sql, .timeout_ms = timeout_ms};
    assert_int_equal(pthread_create(&call->id, NULL, run_call, call), 0);
    beside.call_count++;
    return call;
}

struct call *start_call(const char *sql, uint32_t timeout_ms)
{
    return start_call_by(query_by_call, sql, timeout_ms);
}

struct call run_here(const char *sql, uint32_t timeout_ms)
{
    struct call call = {
        .pool = f.pool, .how = query_by_call, .request = {.sql = sql, .timeout_ms = timeout_ms}};
    run_call(&call);
    return call;
}

void join_calls(void)
{
    while (beside.call_count > 0)
        pthread_join(beside.calls[--beside.call_count].id, NULL);
}

void assert_timely(const char *what, uint64_t took_ms, uint64_t asked_ms)
{
    print_message("           %s ended after %lu ms of %lu\n", what, took_ms, asked_ms);
    assert_in_range(took_ms, asked_ms - 1, asked_ms + LATE);
}

/* Before and after each test */

int set_up_beside(void **state)
{
    memset(&beside, 0, sizeof beside);
    return begin_fixture(state);
}

static void put_server_right(void)
{
    thaw_server();
    mysql_close(f.admin);
    f.admin = connect_admin();
    if (!f.admin && run_restart("wait"))
        f.admin = connect_admin();
    ask(f.admin,
        "SET GLOBAL max_connections = 151, GLOBAL read_only = 0, GLOBAL wait_timeout = 28800", NULL,
        0);
    ask(f.admin, "DROP USER IF EXISTS changing@'%'", NULL, 0);
    ask(f.admin, "DROP TABLE IF EXISTS mypool.written", NULL, 0);
}

/* Of a pool that has ended; its memory is kept. */
static bool books_are_closed(struct pool *pool)
{
    struct pool_stats stats;
    uint64_t by_reason = 0;
    pool_stats(pool, &stats);
    for (unsigned i = 0; i <= POOL_CLOSE_END; i++)
        by_reason += stats.closed_by_reason[i];
    bool good = stats.acquired == stats.released + stats.in_use && stats.opened == stats.closed &&
                by_reason == stats.closed && stats.waiting == 0 && stats.closing == 0 &&
                stats.connecting == 0 && stats.query_errors >= failures() &&
                stats.queries >= stats.query_errors + successes() &&
                atomic_load(&beside.load.unbalanced) == 0;
    if (!good)
        print_error("acquired %lu released %lu in use %lu; opened %lu closed %lu (%lu); waiting "
                    "%lu closing %lu connecting %lu; queries %lu errors %lu, of the load %lu and "
                    "%lu; unbalanced %lu\n",
                    stats.acquired, stats.released, stats.in_use, stats.opened, stats.closed,
                    by_reason, stats.waiting, stats.closing, stats.connecting, stats.queries,
                    stats.query_errors, successes(), failures(),
                    atomic_load(&beside.load.unbalanced));
    return good;
}

int tear_down_beside(void **state)
{
    (void)state;
    struct pool *pool = f.pool;
    atomic_store(&beside.gate.open, true);
    put_server_right();
    stop_load();
    stop_sampler();
    if (pool)
        pool_end(pool, 0, NULL);
    join_calls();
    mysql_close(f.admin);
    return !pool || books_are_closed(pool) ? 0 : -1;
}
