/*
 * The pool in a process that is not kind to it: one with small stacks, that is stopped
 * for a while, exits in the middle of everything, or unloads the library.
 *
 * What may end a process is done in a child process; its exit status says how far it
 * came. Needs a server: MYPOOL_URL, MYPOOL_TLS_URL.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <mypool.h>
#include <mysql.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server.h"
#include "suite.h"
#include "waiting.h"

static struct fixture {
    struct pool *pool;
    MYSQL *admin;
    const char *url;
    struct pool_error err; /* of a thread that has ended */
    pid_t child;
} f;

static struct pool_stats stats_now(void)
{
    struct pool_stats stats;
    pool_stats(f.pool, &stats);
    return stats;
}

/* -1 if there is no answer. Also for children, so it asserts nothing. */
static long admin_asks(const char *sql)
{
    MYSQL_RES *rows = mysql_query(f.admin, sql) == 0 ? mysql_store_result(f.admin) : NULL;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;
    long value = row && row[0] ? strtol(row[0], NULL, 10) : -1;
    mysql_free_result(rows);
    return value;
}

#define SESSIONS "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'app'"

static int set_up(void **state)
{
    unsigned port = (unsigned)strtoul(getenv("MYPOOL_SERVER_PORT"), NULL, 10);
    (void)state;
    memset(&f, 0, sizeof f);
    f.admin = mysql_init(NULL);
    return mysql_real_connect(f.admin, "127.0.0.1", "admin", "adminsecret", "mypool", port, NULL, 0)
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    if (f.child > 0) {
        kill(f.child, SIGKILL);
        waitpid(f.child, NULL, 0);
    }
    if (f.pool)
        pool_end(f.pool, 0, NULL);
    mysql_query(f.admin, "SET GLOBAL wait_timeout = DEFAULT");
    mysql_close(f.admin);
    return 0;
}

/* Small stacks. Sanitizers need more for the same functions. */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SMALL_STACK (2 * 1024 * 1024)
#else
#define SMALL_STACK (64 * 1024) /* docs/life.md promises that it is enough */
#endif
#define GUARD 65536
#define UNTOUCHED 0xa5

static bool take_row(struct pool_result *row, void *arg)
{
    (void)arg;
    return pool_get_text(row, 0) != NULL;
}

static bool select_in_transaction(struct pool_conn conn, void *arg, struct pool_error *err)
{
    (void)arg;
    struct pool_result *result =
        pool_conn_query(conn, "SELECT :v", POOL_ARGS(POOL_NAMED("v", "x")), err);
    pool_result_free(result);
    return result != NULL;
}

static bool queries(const char *sql, bool as_text)
{
    struct pool_value values[] = {pool_double(0.1), pool_text("text")};
    struct pool_request request = {.sql = sql, .args = {values, 2}, .text = as_text};
    struct pool_result *result = pool_query_with(f.pool, &request, &f.err);
    bool ok = result && pool_next(result) && pool_get_text(result, 0) && pool_get_text(result, 2);
    pool_result_free(result);
    return ok;
}

static bool borrows(void)
{
    struct pool_conn conn;
    if (!pool_get_connection(f.pool, &conn, &f.err))
        return false;
    bool ok = pool_conn_begin(conn, &f.err);
    pool_result_free(pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, ok ? &f.err : NULL));
    ok = ok && pool_conn_stream(conn, "SELECT 1", POOL_NO_ARGS, take_row, NULL, &f.err) &&
         pool_conn_commit(conn, &f.err) && pool_conn_ping(conn, &f.err);
    return pool_conn_release(conn, NULL) && ok;
}

static bool fails(void)
{
    bool refused = !queries("SELEKT ?, ?", 0);
    struct pool_request late = {.sql = "SELECT SLEEP(30)", .timeout_ms = 100};
    bool timed_out = !pool_query_with(f.pool, &late, &f.err);
    return refused && timed_out;
}

static void *call_everything(void *arg)
{
    static const char sql[] = "SELECT ?, NOW(6), REPEAT(?, 40000), 1.5, PI(), 1 << 40";
    struct pool_stats stats;
    bool ok = (f.pool = pool_create_url(f.url, &f.err)) && queries(sql, 0) && queries(sql, 0) &&
              queries(sql, true) && fails() && borrows() &&
              pool_stream(f.pool, "SELECT 1", POOL_NO_ARGS, take_row, NULL, &f.err) &&
              pool_transaction(f.pool, select_in_transaction, NULL, &f.err) &&
              pool_ping(f.pool, &f.err);
    char *text = pool_format("SELECT ?", POOL_ARGS(0.1), NULL);
    pool_stats(f.pool, &stats);
    free(text);
    ok = pool_end(f.pool, GENEROUS, ok ? &f.err : NULL) && ok && text;
    f.pool = NULL;
    *(bool *)arg = ok;
    return NULL;
}

/* Runs it above a guard, and returns how many bytes of the stack it has touched. */
static size_t run_on_small_stack(void)
{
    bool ok = false;
    pthread_t thread;
    pthread_attr_t attributes;
    char *memory =
        mmap(NULL, GUARD + SMALL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t untouched = 0;
    assert_ptr_not_equal(memory, MAP_FAILED);
    mprotect(memory, GUARD, PROT_NONE);
    unsigned char *stack = (unsigned char *)memory + GUARD;
    memset(stack, UNTOUCHED, SMALL_STACK);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, SMALL_STACK);
    assert_int_equal(pthread_create(&thread, &attributes, call_everything, &ok), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    while (untouched < SMALL_STACK && stack[untouched] == UNTOUCHED)
        untouched++;
    munmap(memory, GUARD + SMALL_STACK);
    if (!ok)
        fail_msg("%s", f.err.message);
    return SMALL_STACK - untouched;
}

static void every_call_works_on_a_small_stack(void **state)
{
    (void)state;
    f.url = getenv("MYPOOL_URL");
    print_message("           %zu bytes of %d\n", run_on_small_stack(), SMALL_STACK);
}

static void every_call_works_on_a_small_stack_with_tls(void **state)
{
    (void)state;
    f.url = getenv("MYPOOL_TLS_URL");
    print_message("           %zu bytes of %d\n", run_on_small_stack(), SMALL_STACK);
}

/* Child processes: what they return is their exit status, 0 if all went well */

static int status_of(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static pid_t start_child(int (*fn)(void))
{
    pid_t child = fork();
    if (child != 0)
        return child;
    alarm(60);
    _exit(fn());
}

/* The process stands still for longer than the server waits */

#define AWAY 4 /* connections */

static int pipes[2][2]; /* to the child, from the child */

static bool child_borrows(void)
{
    struct pool_conn conn;
    if (!pool_get_connection(f.pool, &conn, &f.err))
        return false;
    struct pool_result *result = pool_conn_query(conn, "SELECT 1", POOL_NO_ARGS, &f.err);
    pool_result_free(result);
    return pool_conn_release(conn, NULL) && result;
}

static bool child_opens_all(void)
{
    struct pool_conn conns[AWAY];
    bool ok = (f.pool = pool_create_url(getenv("MYPOOL_URL"), &f.err)) != NULL;
    for (unsigned i = 0; i < AWAY; i++)
        ok = ok && pool_get_connection(f.pool, &conns[i], &f.err);
    for (unsigned i = 0; ok && i < AWAY; i++)
        pool_conn_release(conns[i], NULL);
    return ok;
}

/* Statements at once, and handles when the keeper has had a processor. */
static int live_through_a_stop(void)
{
    char byte = 0;
    if (!child_opens_all() || write(pipes[1][1], &byte, 1) != 1 || read(pipes[0][0], &byte, 1) != 1)
        return 1;
    for (int i = 0; i < 2 * AWAY; i++) {
        struct pool_result *result = pool_query(f.pool, "SELECT 1", POOL_NO_ARGS, &f.err);
        if (!result)
            return 2;
        pool_result_free(result);
    }
    if (!WITHIN(GENEROUS, stats_now().closed >= AWAY))
        return 3;
    for (int i = 0; i < 2 * AWAY; i++)
        if (!child_borrows())
            return 4;
    return pool_end(f.pool, GENEROUS, &f.err) ? 0 : 5;
}

static void after_a_stop_nobody_gets_a_dead_connection(void **state)
{
    char byte = 0;
    (void)state;
    admin_asks("SET GLOBAL wait_timeout = 1");
    assert_int_equal(pipe2(pipes[0], O_CLOEXEC), 0);
    assert_int_equal(pipe2(pipes[1], O_CLOEXEC), 0);
    f.child = start_child(live_through_a_stop);
    assert_int_equal(read(pipes[1][0], &byte, 1), 1);
    assert_int_equal(admin_asks(SESSIONS), AWAY);
    kill(f.child, SIGSTOP);
    assert_within(GENEROUS, is_stopped(f.child));
    assert_within(GENEROUS, admin_asks(SESSIONS) == 0);
    admin_asks("SET GLOBAL wait_timeout = DEFAULT");
    assert_int_equal(write(pipes[0][1], &byte, 1), 1); /* it is there when the process runs again */
    kill(f.child, SIGCONT);
    int status = status_of(f.child);
    f.child = 0;
    for (int i = 0; i < 4; i++)
        close(pipes[i / 2][i % 2]);
    assert_int_equal(status, 0);
}

/* Exit */

static void *run_long_statement(void *arg)
{
    pool_result_free(pool_query(f.pool, "SELECT SLEEP(30)", POOL_NO_ARGS, NULL));
    return arg;
}

/* Connections held, a statement running, others being opened: exit, not _exit. */
static int exit_in_the_middle(void)
{
    struct pool_conn conns[2];
    pthread_t thread;
    f.pool = pool_create_url(f.url, NULL);
    if (!f.pool || !pool_get_connection(f.pool, &conns[0], NULL) ||
        !pool_get_connection(f.pool, &conns[1], NULL))
        return 1;
    for (int i = 0; i < 5; i++)
        if (pthread_create(&thread, NULL, run_long_statement, NULL) != 0)
            return 2;
    exit(0);
}

/* In a program of its own, in which nobody has used OpenSSL before. */
static int exec_and_exit(void)
{
    execl("/proc/self/exe", "test_process", "--exit", f.url, NULL);
    return 3;
}

static void assert_exits_well(const char *variable)
{
    f.url = getenv(variable);
    for (int i = 0; i < 20; i++) {
        int status = status_of(start_child(exec_and_exit));
        if (status != 0)
            fail_msg("round %d: %s %d", i, status < 256 ? "status" : "signal", status % 256);
    }
}

static void a_process_exits_in_the_middle_of_everything(void **state)
{
    (void)state;
    assert_exits_well("MYPOOL_URL");
}

static void a_process_exits_in_the_middle_of_everything_with_tls(void **state)
{
    (void)state;
    assert_exits_well("MYPOOL_TLS_URL");
}

/* The library is loaded and unloaded by name */

struct library {
    void *handle;
    struct pool *(*create_url)(const char *url, struct pool_error *err);
    bool (*ping)(struct pool *pool, struct pool_error *err);
    bool (*end)(struct pool *pool, unsigned drain_ms, struct pool_error *err);
};

/* Of the same build as this program. */
static bool load(struct library *ret_library)
{
    char program[PATH_MAX - 32] = "", path[PATH_MAX];
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return false;
    snprintf(path, sizeof path, "%s/../libmypool.so.0", dirname(program));
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return false;
    ret_library->handle = handle;
    *(void **)&ret_library->create_url = dlsym(handle, "pool_create_url");
    *(void **)&ret_library->ping = dlsym(handle, "pool_ping");
    *(void **)&ret_library->end = dlsym(handle, "pool_end");
    return ret_library->create_url && ret_library->ping && ret_library->end;
}

static bool can_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child > 0 && waitpid(child, NULL, 0) == child;
}

static int load_again_and_again(void)
{
    struct library library;
    for (int i = 0; i < 10; i++) {
        struct pool *pool;
        if (!load(&library))
            return 1;
        if (!(pool = library.create_url(getenv("MYPOOL_URL"), NULL)) || !library.ping(pool, NULL) ||
            !library.end(pool, GENEROUS, NULL))
            return 2;
        if (dlclose(library.handle) != 0 || !can_fork())
            return 3;
    }
    return 0;
}

static void the_library_may_be_unloaded_and_loaded_again(void **state)
{
    (void)state;
    assert_int_equal(status_of(start_child(load_again_and_again)), 0);
}

/* The pool's threads open the connection after the library was closed. */
static int unload_under_a_pool(void)
{
    struct library library;
    char url[512];
    snprintf(url, sizeof url, "%s?minIdle=1", getenv("MYPOOL_URL"));
    if (!load(&library))
        return 1;
    struct pool *pool = library.create_url(url, NULL);
    if (!pool || dlclose(library.handle) != 0 || !can_fork())
        return 2;
    if (!WITHIN(GENEROUS, admin_asks(SESSIONS) == 1))
        return 3;
    if (!load(&library) || !library.ping(pool, NULL) || !library.end(pool, GENEROUS, NULL))
        return 4;
    return dlclose(library.handle);
}

static void a_pool_outlives_the_unloading_of_the_library(void **state)
{
    (void)state;
    assert_int_equal(status_of(start_child(unload_under_a_pool)), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(every_call_works_on_a_small_stack),
        TEST(every_call_works_on_a_small_stack_with_tls),
        TEST(after_a_stop_nobody_gets_a_dead_connection),
        TEST(a_process_exits_in_the_middle_of_everything),
        TEST(a_process_exits_in_the_middle_of_everything_with_tls),
        TEST(the_library_may_be_unloaded_and_loaded_again),
        TEST(a_pool_outlives_the_unloading_of_the_library),
    };
    if (argc == 3 && strcmp(argv[1], "--exit") == 0) {
        f.url = argv[2];
        return exit_in_the_middle();
    }
    return server_suite_main(argc, argv, tests);
}
