/*
 * What a KILL by somebody else costs. Part of `make bench`; prints two lines.
 *
 *   - from sending KILL of an idle connection, which is answered after the server has
 *     closed it, until the pool has counted it out: median and longest of 200;
 *   - 1,000 kills while four threads borrow and return: errors that they saw.
 *
 * Needs a server: MYPOOL_URL, MYPOOL_ADMIN_URL.
 */
#include "mypool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CONNECTIONS 8
#define IDLE_KILLS 200
#define LOAD_KILLS 1000
#define BORROWERS 4

static struct pool *admin;
static struct pool *pool;
static atomic_bool stop;
static atomic_ulong borrows;
static atomic_ulong errors;

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_kill: %s\n", what);
    exit(1);
}

static struct pool *make(const char *variable, unsigned connections)
{
    struct pool_options options;
    struct pool_error err;
    void *memory;
    const char *url = getenv(variable);
    if (!url || !pool_options_from_url(url, &options, &memory, &err))
        die(url ? err.message : "the addresses of a server are not set");
    options.connection_limit = connections;
    options.min_idle = connections;
    struct pool *made = pool_create(&options, &err);
    free(memory);
    if (!made)
        die(err.message);
    return made;
}

static uint64_t closed_by_server(void)
{
    struct pool_stats stats;
    pool_stats(pool, &stats);
    return stats.closed_by_reason[POOL_CLOSE_SERVER];
}

/* At most ten seconds: the pool opens a new one for each that it lost. */
static void wait_until_all_are_idle(void)
{
    struct pool_stats stats;
    double end = now_ms() + 10000;
    do {
        pool_stats(pool, &stats);
        if (stats.idle == CONNECTIONS)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    } while (now_ms() < end);
    die("the connections were not opened again");
}

/* Session ids of the pool's user; at most CONNECTIONS of them. */
static unsigned sessions(long ret_ids[CONNECTIONS])
{
    struct pool_error err;
    struct pool_result *rows =
        pool_query(admin, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'app'",
                   POOL_NO_ARGS, &err);
    unsigned count = 0;
    if (!rows)
        die(err.message);
    while (count < CONNECTIONS && pool_next(rows))
        ret_ids[count++] = (long)pool_get_int(rows, 0);
    pool_result_free(rows);
    return count;
}

/* The session may have gone by itself meanwhile: then nothing was killed. */
static bool kill_session(long id)
{
    char sql[40];
    struct pool_error err;
    struct pool_request request = {.sql = sql, .text = true};
    snprintf(sql, sizeof sql, "KILL %ld", id);
    struct pool_result *done = pool_query_with(admin, &request, &err);
    pool_result_free(done);
    return done != NULL;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double one_idle_kill(void)
{
    long ids[CONNECTIONS];
    wait_until_all_are_idle();
    uint64_t before = closed_by_server();
    if (sessions(ids) == 0)
        die("no session to kill");
    double start = now_ms();
    if (!kill_session(ids[0]))
        die("the KILL failed");
    while (closed_by_server() == before && now_ms() - start < 10000)
        ;
    return now_ms() - start;
}

static void *borrow(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        struct pool_conn conn;
        struct pool_error err;
        if (pool_get_connection(pool, &conn, &err))
            pool_conn_release(conn, NULL);
        else if (atomic_fetch_add(&errors, 1) == 0)
            fprintf(stderr, "bench_kill: %s\n", err.message);
        atomic_fetch_add_explicit(&borrows, 1, memory_order_relaxed);
    }
    return NULL;
}

static unsigned kill_under_load(void)
{
    unsigned killed = 0;
    double end = now_ms() + 120000;
    while (killed < LOAD_KILLS && now_ms() < end) {
        long ids[CONNECTIONS];
        unsigned count = sessions(ids);
        for (unsigned i = 0; i < count && killed < LOAD_KILLS; i++)
            killed += kill_session(ids[i]);
    }
    return killed;
}

int main(void)
{
    static double ms[IDLE_KILLS];
    pthread_t threads[BORROWERS];
    admin = make("MYPOOL_ADMIN_URL", 1);
    pool = make("MYPOOL_URL", CONNECTIONS);
    for (unsigned i = 0; i < IDLE_KILLS; i++)
        ms[i] = one_idle_kill();
    qsort(ms, IDLE_KILLS, sizeof ms[0], compare);
    printf("KILL of an idle connection until it has left the pool, %d times: median %.2f ms, "
           "longest %.2f ms\n",
           IDLE_KILLS, ms[IDLE_KILLS / 2], ms[IDLE_KILLS - 1]);
    for (unsigned i = 0; i < BORROWERS; i++)
        if (pthread_create(&threads[i], NULL, borrow, NULL) != 0)
            die("no thread");
    unsigned killed = kill_under_load();
    atomic_store(&stop, true);
    for (unsigned i = 0; i < BORROWERS; i++)
        pthread_join(threads[i], NULL);
    printf("%u kills while %d threads borrow and return: %lu errors in %lu borrows\n", killed,
           BORROWERS, atomic_load(&errors), atomic_load(&borrows));
    pool_end(pool, 1000, NULL);
    pool_end(admin, 1000, NULL);
    return 0;
}
