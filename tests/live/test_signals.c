/*
 * A pool in a process that has signals of its own: SIGPIPE stays what it was, and the threads of
 * the pool get none. See life.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "life.h"
#include "suite.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static bool same_disposition(const struct sigaction *a, const struct sigaction *b)
{
    const int restorer = 0x04000000; /* the C library's own mark */
    return a->sa_handler == b->sa_handler && ((a->sa_flags ^ b->sa_flags) & ~restorer) == 0;
}

/* The group's set-up has looked around the first pool of the process. */
static void the_first_pool_leaves_sigpipe_alone(void **state)
{
    (void)state;
    assert_ptr_equal(sigpipe_before.sa_handler, SIG_DFL);
    assert_true(same_disposition(&sigpipe_before, &sigpipe_after));
}

static void a_tls_connection_that_breaks_raises_no_sigpipe(void **state)
{
    struct pool *admin = *state;
    char kill_it[64];
    sigset_t pending, mask_before, mask_after;
    struct sigaction now;
    pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
    struct pool *pool = pool_of("MYPOOL_TLS_URL", (struct pool_options){.connection_limit = 1});
    struct pool_conn conn = borrow_from(pool);
    snprintf(kill_it, sizeof kill_it, "KILL CONNECTION %lu", pool_conn_thread_id(conn));
    run_sql(admin, kill_it);
    WAIT_UNTIL(number_of(admin, OURS) == 0);
    for (int i = 0; i < 3; i++) /* the second write is what would raise it */
        assert_null(pool_conn_query(conn, "DO 1", POOL_NO_ARGS, NULL));
    assert_true(pool_conn_release(conn, NULL));
    end_cleanly(pool);
    sigaction(SIGPIPE, NULL, &now);
    assert_true(same_disposition(&sigpipe_before, &now));
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGPIPE));
    pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
    for (int signal = 1; signal < 32; signal++)
        assert_int_equal(sigismember(&mask_before, signal), sigismember(&mask_after, signal));
}

/* The blocked signals of a thread of ours, as a bit set; all ones if it is not ours, or
 * has ended: one that was joined may be listed for a moment, with no signals at all. */
static uint64_t blocked_signals(const char *task)
{
    char path[64], line[256];
    unsigned long long blocked = 0;
    bool ours = false;
    snprintf(path, sizeof path, "/proc/self/task/%.20s/status", task);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        ours |= strncmp(line, "Name:\tmypool", 12) == 0;
        ours &= strcmp(line, "Threads:\t0\n") != 0;
        sscanf(line, "SigBlk: %llx", &blocked);
    }
    if (file)
        fclose(file);
    return ours ? blocked : UINT64_MAX;
}

static void all_signals_are_blocked_in_the_pools_threads(void **state)
{
    (void)state;
    static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGALRM, SIGTERM,
                                  SIGUSR1, SIGUSR2, SIGCHLD, SIGCONT, SIGTSTP, SIGPROF};
    unsigned ours = 0;
    struct pool *pool = small_pool(4);
    use_many(pool, 4);
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(dir));) {
        uint64_t blocked = entry->d_name[0] == '.' ? UINT64_MAX : blocked_signals(entry->d_name);
        ours += blocked != UINT64_MAX;
        for (size_t i = 0; i < COUNT(signals); i++)
            assert_true(blocked >> (signals[i] - 1) & 1);
    }
    closedir(dir);
    assert_in_range(ours, 3, 100); /* the administrator's two, and some of this pool's */
    end_cleanly(pool);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_pool_leaves_sigpipe_alone),
        cmocka_unit_test(a_tls_connection_that_breaks_raises_no_sigpipe),
        cmocka_unit_test(all_signals_are_blocked_in_the_pools_threads),
    };
    return server_suite_main_with(argc, argv, tests, set_up_life, tear_down_life);
}
