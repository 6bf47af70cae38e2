/*
 * Callbacks in a libevent program: the pool's descriptor is one persistent event.
 *
 * The last callback breaks the loop.
 *
 *     libevent mysql://app:secret@127.0.0.1/mypool
 */
#include <event2/event.h>
#include <mypool.h>
#include <stdio.h>
#include <stdlib.h>

static struct pool *pool;
static unsigned waiting; /* for so many callbacks */
static bool failed;

static void on_rows(const struct pool_error *err, struct pool_result *rows, void *arg)
{
    const char *name;
    int64_t id;

    waiting--;
    if (err) {
        fprintf(stderr, "libevent: %s: %s: %s\n", (const char *)arg, pool_code_name(err->code),
                err->message);
        failed = true;
    }
    while (pool_next(rows) && POOL_SCAN(rows, &id, &name))
        printf("%s: %lld %s\n", (const char *)arg, (long long)id, name);
    if (pool_result_error(rows)) {
        fprintf(stderr, "libevent: %s: %s\n", (const char *)arg, pool_result_error(rows)->message);
        failed = true;
    }
    pool_result_free(rows);
}

static bool ask(const char *sql, struct pool_args args, char *name)
{
    struct pool_error err;
    bool accepted = pool_query_async(pool, sql, args, on_rows, name, &err);

    if (!accepted)
        fprintf(stderr, "libevent: %s: %s\n", pool_code_name(err.code), err.message);
    waiting += accepted;
    return accepted;
}

static void on_readable(evutil_socket_t fd, short what, void *base)
{
    (void)fd, (void)what;
    bool ok = pool_dispatch(pool, 0) >= 0;
    failed = failed || !ok;
    if (!ok || waiting == 0)
        event_base_loopbreak(base);
}

static bool run_loop(struct event_base *base)
{
    struct event *event =
        base ? event_new(base, pool_fd(pool), EV_READ | EV_PERSIST, on_readable, base) : NULL;
    bool ok = event && event_add(event, NULL) == 0 && event_base_dispatch(base) == 0;

    if (event)
        event_free(event);
    if (base)
        event_base_free(base);
    return ok;
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
        fprintf(stderr, "usage: libevent mysql://user:password@host:port/database\n");
        return 1;
    }
    pool = open_pool(url, &err);
    if (!pool) {
        fprintf(stderr, "libevent: %s: %s\n", pool_code_name(err.code), err.message);
        return 1;
    }
    bool ok = ask("SELECT 1, ?", POOL_ARGS("Ada"), "first") &&
              ask("SELECT 2, UPPER(?)", POOL_ARGS("Grace"), "second") && run_loop(event_base_new());
    pool_end(pool, 1000, NULL); /* runs the callbacks that are left, if any */
    return ok && !failed ? 0 : 1;
}
