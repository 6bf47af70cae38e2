/*
 * Callbacks in a program's own loop: epoll, by hand.
 *
 * The pool's descriptor is one among the program's; whenever it can be read, pool_dispatch
 * runs the callbacks that are due. Here the loop ends when all of them have run.
 *
 *     epoll mysql://app:secret@127.0.0.1/mypool
 */
#include <mypool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct pool *pool;
static unsigned waiting; /* for so many callbacks */
static bool failed;

static void on_rows(const struct pool_error *err, struct pool_result *rows, void *arg)
{
    const char *name;
    int64_t id;

    waiting--;
    if (err) {
        fprintf(stderr, "epoll: %s: %s: %s\n", (const char *)arg, pool_code_name(err->code),
                err->message);
        failed = true;
    }
    while (pool_next(rows) && POOL_SCAN(rows, &id, &name))
        printf("%s: %lld %s\n", (const char *)arg, (long long)id, name);
    if (pool_result_error(rows)) {
        fprintf(stderr, "epoll: %s: %s\n", (const char *)arg, pool_result_error(rows)->message);
        failed = true;
    }
    pool_result_free(rows);
}

static bool ask(const char *sql, struct pool_args args, char *name)
{
    struct pool_error err;
    bool accepted = pool_query_async(pool, sql, args, on_rows, name, &err);

    if (!accepted)
        fprintf(stderr, "epoll: %s: %s\n", pool_code_name(err.code), err.message);
    waiting += accepted;
    return accepted;
}

/* Other descriptors of the program would be in the same epoll. */
static bool run_loop(void)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = pool_fd(pool)};
    bool ok = epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pool_fd(pool), &event) == 0;

    while (ok && waiting > 0)
        if (epoll_wait(epoll_fd, &event, 1, -1) == 1)
            ok = pool_dispatch(pool, 0) >= 0;
    if (epoll_fd >= 0)
        close(epoll_fd);
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
        fprintf(stderr, "usage: epoll mysql://user:password@host:port/database\n");
        return 1;
    }
    pool = open_pool(url, &err);
    if (!pool) {
        fprintf(stderr, "epoll: %s: %s\n", pool_code_name(err.code), err.message);
        return 1;
    }
    bool ok = ask("SELECT 1, ?", POOL_ARGS("Ada"), "first") &&
              ask("SELECT 2, UPPER(?)", POOL_ARGS("Grace"), "second") && run_loop();
    pool_end(pool, 1000, NULL); /* runs the callbacks that are left, if any */
    return ok && !failed ? 0 : 1;
}
