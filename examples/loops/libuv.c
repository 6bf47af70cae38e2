/*
 * Callbacks in a libuv program: the pool's descriptor is one uv_poll_t.
 *
 * The loop ends by itself when the last callback has closed the handle.
 *
 *     libuv mysql://app:secret@127.0.0.1/mypool
 */
#include <mypool.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static struct pool *pool;
static uv_poll_t watcher;
static unsigned waiting; /* for so many callbacks */
static bool failed;

static void on_rows(const struct pool_error *err, struct pool_result *rows, void *arg)
{
    const char *name;
    int64_t id;

    waiting--;
    if (err) {
        fprintf(stderr, "libuv: %s: %s: %s\n", (const char *)arg, pool_code_name(err->code),
                err->message);
        failed = true;
    }
    while (pool_next(rows) && POOL_SCAN(rows, &id, &name))
        printf("%s: %lld %s\n", (const char *)arg, (long long)id, name);
    if (pool_result_error(rows)) {
        fprintf(stderr, "libuv: %s: %s\n", (const char *)arg, pool_result_error(rows)->message);
        failed = true;
    }
    pool_result_free(rows);
}

static bool ask(const char *sql, struct pool_args args, char *name)
{
    struct pool_error err;
    bool accepted = pool_query_async(pool, sql, args, on_rows, name, &err);

    if (!accepted)
        fprintf(stderr, "libuv: %s: %s\n", pool_code_name(err.code), err.message);
    waiting += accepted;
    return accepted;
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
    (void)events;
    bool ok = status == 0 && pool_dispatch(pool, 0) >= 0;
    failed = failed || !ok;
    if (!ok || waiting == 0)
        uv_close((uv_handle_t *)handle, NULL);
}

static bool run_loop(uv_loop_t *loop)
{
    return uv_poll_init(loop, &watcher, pool_fd(pool)) == 0 &&
           uv_poll_start(&watcher, UV_READABLE, on_readable) == 0 &&
           uv_run(loop, UV_RUN_DEFAULT) == 0;
}

static struct pool *open_pool(const char *url, struct pool_error *err)
{
    struct pool_options options;
    void *memory;

    if (!pool_options_from_url(url, &options, &memory, err))
        return NULL;
    options.manual_dispatch = true;
    struct pool *made = pool_create(&options, err);
    free(memory);
    return made;
}

int main(int argc, char **argv)
{
    const char *url = argc == 2 ? argv[1] : getenv("MYPOOL_URL");
    struct pool_error err;

    if (argc > 2 || !url) {
        fprintf(stderr, "usage: libuv mysql://user:password@host:port/database\n");
        return 1;
    }
    pool = open_pool(url, &err);
    if (!pool) {
        fprintf(stderr, "libuv: %s: %s\n", pool_code_name(err.code), err.message);
        return 1;
    }
    bool ok = ask("SELECT 1, ?", POOL_ARGS("Ada"), "first") &&
              ask("SELECT 2, UPPER(?)", POOL_ARGS("Grace"), "second") &&
              run_loop(uv_default_loop());
    pool_end(pool, 1000, NULL); /* runs the callbacks that are left, if any */
    uv_loop_close(uv_default_loop());
    return ok && !failed ? 0 : 1;
}
