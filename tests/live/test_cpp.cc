/*
 * The header as C++ sees it: what POOL_ARGS makes of the types of C++ and for how long it
 * lasts, and what becomes of exceptions. test_header.sh tells what does not compile.
 *
 * What ends a process is done in a child, whose words and end are looked at. Needs a server:
 * MYPOOL_URL.
 */
#include <mypool.h>

#include <atomic>
#include <memory>
#include <optional>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdexcept>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

extern "C" {
#include <cmocka.h>
}

#include "suite.h"

#define GENEROUS 30 /* s, until something must have happened */

/* ---- values ---- */

static std::string written(const char *sql, pool_args_view args)
{
    struct pool_error err;
    std::unique_ptr<char, void (*)(void *)> text(pool_format(sql, args, &err), free);
    return text ? text.get() : err.message;
}

#define assert_written(sql, args, expected)                                                        \
    assert_string_equal(written((sql), (args)).c_str(), (expected))

/* Makes it likely that text which is gone is overwritten. */
static std::string long_text(char c)
{
    return std::string(100, c);
}

static void spoil_the_heap()
{
    std::vector<std::string> strings;
    for (int i = 0; i < 100; i++)
        strings.push_back(long_text('!'));
}

enum plain { RED = 3, BLUE = -4 };
struct packed {
    unsigned bits : 3;
    static const int constant = 12; /* has no definition */
};

static void numbers_keep_their_values(void **)
{
    packed p = {5};
    std::atomic<int> atomic(6);
    std::vector<bool> flags(1, true);
    signed char small = -1;
    assert_written("SELECT ?, ?, ?, ?",
                   POOL_ARGS(true, 'a', small, static_cast<unsigned char>(255)),
                   "SELECT 1, 97, -1, 255");
    assert_written("SELECT ?, ?", POOL_ARGS(INT64_MIN, UINT64_MAX),
                   "SELECT -9223372036854775808, 18446744073709551615");
    assert_written("SELECT ?, ?", POOL_ARGS(RED, BLUE), "SELECT 3, -4");
    const struct pool_args real = POOL_ARGS(1.5F, 0.1);
    const struct pool_value *values = real.values;
    assert_true(values[0].type == POOL_TYPE_DOUBLE && values[1].type == POOL_TYPE_DOUBLE);
    assert_true(values[0].as.d == 1.5 && values[1].as.d == 0.1);
    assert_written("SELECT ?, ?, ?, ?", POOL_ARGS(p.bits, packed::constant, atomic, flags[0]),
                   "SELECT 5, 12, 6, 1");
}

static void strings_are_text_with_all_their_bytes(void **)
{
    const std::string with_nul("a\0b", 3);
    char buffer[8] = "c";
    assert_written("SELECT ?, ?, ?",
                   POOL_ARGS(with_nul, buffer, std::string_view("defg").substr(1, 2)),
                   "SELECT _utf8mb4 X'610062', 'c', 'ef'");
    assert_written("SELECT ?, ?", POOL_ARGS(std::string(), std::string_view()), "SELECT '', ''");
}

static void what_is_not_there_is_null(void **)
{
    const char *nowhere = nullptr;
    std::optional<std::string> some = "x";
    std::optional<int> none;
    assert_written("SELECT ?, ?, ?, ?", POOL_ARGS(nullptr, nowhere, some, none),
                   "SELECT NULL, NULL, 'x', NULL");
}

struct point {
    int x, y;
    operator struct pool_value() const { return pool_int(x * 1000 + y); }
};

/* Its text is inside. */
struct code {
    char text[200];
    operator struct pool_value() const { return pool_text(text); }
};

static code code_of(char c)
{
    code made = {};
    memset(made.text, c, 100);
    return made;
}

static void a_class_can_say_what_value_it_is(void **)
{
    const point p = {1, 2};
    struct pool_args args = POOL_ARGS(p, code_of('a'), POOL_NAMED("b", code_of('b')));
    spoil_the_heap();
    assert_written("SELECT ?", POOL_ARGS(p), "SELECT 1002");
    const struct pool_value *values = args.values;
    assert_int_equal(values[0].as.i, 1002);
    assert_memory_equal(values[1].as.bytes.data, long_text('a').data(), 100);
    assert_memory_equal(values[2].as.bytes.data, long_text('b').data(), 100);
}

static void a_template_argument_list_has_commas(void **)
{
    assert_written("SELECT ?", POOL_ARGS(std::pair<int, int>(1, 2).second), "SELECT 2");
    assert_written("SELECT :a", POOL_ARGS(POOL_NAMED("a", std::pair<int, int>(1, 2).first)),
                   "SELECT 1");
}

static void a_request_owns_its_values(void **)
{
    struct pool_request request = {};
    if (!request.text)
        request.args = POOL_ARGS("x", 1);
    spoil_the_heap();
    assert_written("SELECT ?, ?", request.args, "SELECT 'x', 1");
    request.args = POOL_ARGS(2);
    assert_written("SELECT ?", request.args, "SELECT 2");
    request.args = POOL_NO_ARGS;
    assert_int_equal(request.args.count, 0);
}

static void a_request_is_made_with_its_values(void **)
{
    struct pool_request request = {
        "SELECT ?", 0, POOL_ARGS(long_text('a')), 0, 0, nullptr, false, false, false, false, {}};
    struct pool_request copy = request;
    request.args = {};
    spoil_the_heap();
    assert_written(copy.sql, copy.args, ("SELECT '" + long_text('a') + "'").c_str());
}

static void text_of_a_temporary_is_kept(void **)
{
    struct pool_args args = POOL_ARGS(long_text('a'), std::optional<std::string>(long_text('b')));
    auto held = POOL_ARGS(1, long_text('c'));
    struct pool_args named = POOL_ARGS(POOL_NAMED("d", long_text('d')), POOL_NAMED("e", 5));
    spoil_the_heap();
    assert_written("SELECT ?, ?", args,
                   ("SELECT '" + long_text('a') + "', '" + long_text('b') + "'").c_str());
    assert_written("SELECT ?, ?", held, ("SELECT 1, '" + long_text('c') + "'").c_str());
    assert_written("SELECT :d, :e", named, ("SELECT '" + long_text('d') + "', 5").c_str());
}

static struct pool_args made_elsewhere()
{
    struct pool_args args = POOL_ARGS(long_text('a'));
    struct pool_args copy = args, other;
    other = copy;
    copy = nullptr;
    return other;
}

static void copies_outlive_the_original(void **)
{
    struct pool_args args = made_elsewhere(), &same = args;
    args = same;
    struct pool_args taken = std::move(args);
    spoil_the_heap();
    assert_written("SELECT ?", taken, ("SELECT '" + long_text('a') + "'").c_str());
    assert_int_equal(args.count, 0);
}

static void values_made_at_run_time_are_copied(void **)
{
    struct pool_request request = {};
    {
        std::vector<pool_value> list = {pool_int(7), pool_int(8)};
        std::vector<pool_value> values = {pool_list(list.data(), list.size()), pool_int(9)};
        assert_written("SELECT 1 IN (?), ?", (pool_args{values.data(), values.size()}),
                       "SELECT 1 IN (7, 8), 9");
        request.args = {values.data(), values.size()};
        values.assign(2, pool_null());
        list.assign(2, pool_null());
    }
    spoil_the_heap();
    assert_written("SELECT 1 IN (?), ?", request.args, "SELECT 1 IN (7, 8), 9");
}

static void a_pointer_of_no_values_is_told(void **)
{
    assert_written("SELECT ?", (pool_args{static_cast<const pool_value *>(nullptr), 1}),
                   "the number of values is 1, but the pointer to them is NULL");
}

/* ---- exceptions that reach the caller ---- */

static struct pool *make_pool(const struct pool_hooks *hooks, pool_init_fn *init, bool manual)
{
    struct pool_error err;
    struct pool_options options;
    void *memory;
    if (!pool_options_from_url(getenv("MYPOOL_URL"), &options, &memory, &err))
        return nullptr;
    options.connection_limit = 1;
    options.hooks = hooks ? *hooks : pool_hooks();
    options.init = init;
    options.manual_dispatch = manual;
    struct pool *pool = pool_create(&options, &err);
    free(memory);
    return pool;
}

static struct pool *pool;

static int set_up(void **)
{
    struct pool_error err;
    pool = make_pool(nullptr, nullptr, false);
    if (!pool)
        return -1;
    pool_result_free(pool_query(pool, "DROP TABLE IF EXISTS thrown", POOL_NO_ARGS, &err));
    struct pool_result *made =
        pool_query(pool, "CREATE TABLE thrown (id INT) ENGINE=InnoDB", POOL_NO_ARGS, &err);
    pool_result_free(made);
    return made ? 0 : -1;
}

static int tear_down(void **)
{
    struct pool_error err;
    pool_result_free(pool_query(pool, "DROP TABLE IF EXISTS thrown", POOL_NO_ARGS, &err));
    return pool_end(pool, 5000, &err) ? 0 : -1;
}

static int64_t count_rows()
{
    struct pool_error err;
    struct pool_result *rows = pool_query(pool, "SELECT COUNT(*) FROM thrown", POOL_NO_ARGS, &err);
    int64_t count = pool_next(rows) ? pool_get_int(rows, 0) : -1;
    pool_result_free(rows);
    return count;
}

/* Its message, or "" if there was none. */
template <class F> static std::string thrown_by(F call)
{
    try {
        call();
    } catch (const std::runtime_error &thrown) {
        return thrown.what();
    }
    return "";
}

/* The one connection was given back, the rows of what was undone are gone, and the thread
 * is not taken for one inside a callback. */
static void assert_all_is_well()
{
    struct pool_stats stats;
    assert_int_equal(count_rows(), 0);
    pool_stats(pool, &stats);
    assert_int_equal(stats.in_use, 0);
    assert_int_equal(stats.acquired, stats.released);
}

static int seen;

static bool throw_at_second(struct pool_result *, void *arg)
{
    if (++seen == 2)
        throw std::runtime_error(static_cast<const char *>(arg));
    return true;
}

static char why[] = "not this one";

static void an_exception_of_a_row_function_ends_the_stream(void **)
{
    struct pool_error err;
    seen = 0;
    assert_string_equal(thrown_by([&] {
                            pool_stream(pool, "SELECT 1 UNION SELECT 2 UNION SELECT 3",
                                        POOL_NO_ARGS, throw_at_second, why, &err);
                        }).c_str(),
                        why);
    assert_int_equal(seen, 2);
    assert_all_is_well();
}

static void an_exception_of_a_row_function_leaves_the_handle(void **)
{
    struct pool_error err;
    struct pool_conn conn;
    seen = 0;
    assert_true(pool_get_connection(pool, &conn, &err));
    assert_string_equal(thrown_by([&] {
                            pool_conn_stream(conn, "SELECT 1 UNION SELECT 2", POOL_ARGS(),
                                             throw_at_second, why, &err);
                        }).c_str(),
                        why);
    assert_true(pool_conn_release(conn, &err));
    assert_all_is_well();
}

static bool insert_and_throw(struct pool_conn conn, void *arg, struct pool_error *err)
{
    ++seen;
    pool_result_free(pool_conn_query(conn, "INSERT INTO thrown VALUES (1)", POOL_NO_ARGS, err));
    err->code = POOL_ERR_SERVER;
    err->retry_transaction = true;
    throw std::runtime_error(static_cast<const char *>(arg));
}

static void an_exception_rolls_the_transaction_back_once(void **)
{
    struct pool_error err;
    seen = 0;
    assert_string_equal(
        thrown_by([&] { pool_transaction(pool, insert_and_throw, why, &err); }).c_str(), why);
    assert_int_equal(err.code, POOL_ERR_ROLLED_BACK);
    assert_string_equal(err.message, "the transaction function threw an exception");
    assert_int_equal(seen, 1);
    assert_all_is_well();
}

static bool throw_between_chunks(size_t, size_t, void *arg)
{
    throw std::runtime_error(static_cast<const char *>(arg));
}

/* More than one chunk of about a megabyte. */
static struct pool_batch_request big_batch(const std::vector<pool_value> &values)
{
    struct pool_batch_request request = {};
    request.sql = "INSERT INTO thrown VALUES (LENGTH(?))";
    request.values = values.data();
    request.rows = values.size();
    request.columns = 1;
    request.atomic = true;
    request.progress = throw_between_chunks;
    request.progress_arg = why;
    return request;
}

static void an_exception_of_the_progress_function_undoes_the_batch(void **)
{
    struct pool_error err;
    struct pool_conn conn;
    const std::string text(100000, 'x');
    const std::vector<pool_value> values(40, pool_text_n(text.data(), text.size()));
    const struct pool_batch_request request = big_batch(values);
    assert_string_equal(thrown_by([&] { pool_batch_with(pool, &request, &err); }).c_str(), why);
    assert_int_equal(err.code, POOL_ERR_CANCELLED);
    assert_all_is_well();
    assert_true(pool_get_connection(pool, &conn, &err));
    assert_string_equal(thrown_by([&] { pool_conn_batch_with(conn, &request, &err); }).c_str(),
                        why);
    assert_true(pool_conn_release(conn, &err));
    assert_all_is_well();
}

static void without_an_exception_nothing_is_different(void **)
{
    struct pool_error err;
    struct pool_batch_request request = {};
    const pool_value values[] = {pool_int(1), pool_int(2)};
    request.sql = "DELETE FROM thrown WHERE id = ?";
    request.values = values;
    request.rows = 2;
    request.columns = 1;
    request.progress = throw_between_chunks; /* there is one chunk */
    struct pool_result *result = pool_batch_with(pool, &request, &err);
    assert_non_null(result);
    pool_result_free(result);
    assert_false(pool_transaction(pool, nullptr, nullptr, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_false(pool_stream(pool, "SELECT 1", POOL_ARGS(), nullptr, nullptr, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_null(pool_batch_with(pool, nullptr, &err));
    assert_int_equal(err.code, POOL_ERR_INVALID);
    assert_all_is_well();
}

/* ---- exceptions that end the process ---- */

/* What a child says on standard error, and how it ends. */
struct ending {
    std::string words;
    int status;
};

static ending end_of(void (*child)())
{
    int ends[2];
    char part[512];
    ending end = {"", 0};
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        alarm(GENEROUS);
        dup2(ends[1], 2);
        try {
            child();
        } catch (...) { /* nothing gets here, although it is on the same thread */
            _exit(3);
        }
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], part, sizeof part)) > 0;)
        end.words.append(part, static_cast<size_t>(got));
    close(ends[0]);
    assert_int_equal(waitpid(pid, &end.status, 0), pid);
    return end;
}

static void assert_terminates(void (*child)(), const char *word)
{
    ending end = end_of(child);
    if (!WIFSIGNALED(end.status) || WTERMSIG(end.status) != SIGABRT ||
        end.words.find("std::runtime_error") == std::string::npos ||
        end.words.find(word) == std::string::npos)
        fail_msg("status %#x, said: %s", static_cast<unsigned>(end.status), end.words.c_str());
}

static void query_with(const struct pool_hooks &hooks)
{
    struct pool *own = make_pool(&hooks, nullptr, false);
    pool_result_free(pool_query(own, "SELECT 1", POOL_NO_ARGS, nullptr));
    pool_end(own, 1000, nullptr);
}

/* All hooks on the thread of the program are called alike. */
static void an_exception_of_a_hook_ends_the_process(void **)
{
    assert_terminates(
        [] {
            struct pool_hooks hooks = {};
            hooks.on_acquire = [](uint64_t, void *) {
                throw std::runtime_error("from on_acquire");
            };
            query_with(hooks);
        },
        "from on_acquire");
    assert_terminates(
        [] {
            struct pool_hooks hooks = {};
            hooks.on_query = [](const char *, uint64_t, uint64_t, uint64_t, enum pool_code,
                                void *) { throw std::runtime_error("from on_query"); };
            query_with(hooks);
        },
        "from on_query");
    assert_terminates(
        [] {
            struct pool_hooks hooks = {};
            hooks.on_release = [](uint64_t, void *) {
                throw std::runtime_error("from on_release");
            };
            query_with(hooks);
        },
        "from on_release");
    assert_terminates(
        [] {
            struct pool_hooks hooks = {};
            hooks.on_close = [](enum pool_close_reason, unsigned long, void *) {
                throw std::runtime_error("from on_close");
            };
            query_with(hooks);
        },
        "from on_close");
}

static void an_exception_on_a_pool_thread_ends_the_process(void **)
{
    assert_terminates(
        [] {
            struct pool *own = make_pool(
                nullptr,
                [](struct pool_setup *, void *, struct pool_error *) -> bool {
                    throw std::runtime_error("from init");
                },
                false);
            pool_ping(own, nullptr);
        },
        "from init");
}

static void throw_away(const struct pool_error *, struct pool_result *result, void *)
{
    pool_result_free(result);
    throw std::runtime_error("from the callback");
}

static void an_exception_of_a_callback_ends_the_process(void **)
{
    assert_terminates(
        [] {
            struct pool *own = make_pool(nullptr, nullptr, false);
            pool_query_async(own, "SELECT 1", POOL_NO_ARGS, throw_away, nullptr, nullptr);
            pool_end(own, GENEROUS * 1000, nullptr);
        },
        "from the callback");
}

static void an_exception_of_a_callback_does_not_leave_pool_dispatch(void **)
{
    assert_terminates(
        [] {
            struct pool *own = make_pool(nullptr, nullptr, true);
            pool_query_async(own, "SELECT 1", POOL_NO_ARGS, throw_away, nullptr, nullptr);
            while (pool_dispatch(own, 1000) >= 0)
                ;
        },
        "from the callback");
}

static bool throw_on_a_fiber(struct pool_conn, void *, struct pool_error *)
{
    throw std::runtime_error("from the fiber");
}

static void an_exception_on_a_fiber_ends_the_process(void **)
{
    assert_terminates(
        [] {
            struct pool *own = make_pool(nullptr, nullptr, true);
            pool_transaction_async(own, throw_on_a_fiber, throw_away, nullptr, nullptr);
            while (pool_dispatch(own, 1000) >= 0)
                ;
        },
        "from the fiber");
}

/* On a fiber, too, it may be caught by the program's own code. */
static bool stream_and_catch(struct pool_conn conn, void *, struct pool_error *err)
{
    seen = 1;
    std::string thrown = thrown_by(
        [&] { pool_conn_stream(conn, "SELECT 1", POOL_NO_ARGS, throw_at_second, why, err); });
    return thrown != why;
}

static std::atomic<bool> done;

static void note_done(const struct pool_error *err, struct pool_result *result, void *arg)
{
    *static_cast<enum pool_code *>(arg) = err ? err->code : POOL_OK;
    pool_result_free(result);
    done = true;
}

static void an_exception_of_a_row_function_reaches_the_transaction_on_a_fiber(void **)
{
    struct pool_error err;
    enum pool_code code = POOL_OK;
    struct pool *own = make_pool(nullptr, nullptr, true);
    assert_non_null(own);
    done = false;
    /* It says no, and its connection is gone with the rows that were not read. */
    assert_true(pool_transaction_async(own, stream_and_catch, note_done, &code, &err));
    for (int i = 0; i < GENEROUS && !done; i++)
        pool_dispatch(own, 1000);
    assert_true(done);
    assert_int_equal(code, POOL_ERR_ROLLED_BACK);
    assert_true(pool_end(own, 5000, &err));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_keep_their_values),
        cmocka_unit_test(strings_are_text_with_all_their_bytes),
        cmocka_unit_test(what_is_not_there_is_null),
        cmocka_unit_test(a_class_can_say_what_value_it_is),
        cmocka_unit_test(a_template_argument_list_has_commas),
        cmocka_unit_test(a_request_owns_its_values),
        cmocka_unit_test(a_request_is_made_with_its_values),
        cmocka_unit_test(text_of_a_temporary_is_kept),
        cmocka_unit_test(copies_outlive_the_original),
        cmocka_unit_test(values_made_at_run_time_are_copied),
        cmocka_unit_test(a_pointer_of_no_values_is_told),
        cmocka_unit_test_setup_teardown(an_exception_of_a_row_function_ends_the_stream, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_exception_of_a_row_function_leaves_the_handle, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_exception_rolls_the_transaction_back_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_exception_of_the_progress_function_undoes_the_batch,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_an_exception_nothing_is_different, set_up,
                                        tear_down),
        cmocka_unit_test(an_exception_of_a_hook_ends_the_process),
        cmocka_unit_test(an_exception_on_a_pool_thread_ends_the_process),
        cmocka_unit_test(an_exception_of_a_callback_ends_the_process),
        cmocka_unit_test(an_exception_of_a_callback_does_not_leave_pool_dispatch),
        cmocka_unit_test(an_exception_on_a_fiber_ends_the_process),
        cmocka_unit_test(an_exception_of_a_row_function_reaches_the_transaction_on_a_fiber),
    };
    return server_suite_main(argc, argv, tests);
}
