/*
 * A small HTTP service on a pool, as one would write it with express.
 *
 *     GET  /users       up to 100 users; ?after=ID continues
 *     GET  /users/:id   one user
 *     POST /users       {"name": "Ada", "city": "London"}  ->  201 {"id": 1}
 *     GET  /healthz     the process is alive
 *     GET  /readyz      the database answers
 *
 * This file starts and stops it; the routes are in users.c. ulfius runs each HTTP
 * connection on a thread of its own, and the pool lets a few database connections
 * serve all of them, with a deadline for each call.
 *
 * The service listens on 127.0.0.1 only. SIGTERM and SIGINT end it in order: no
 * new requests, running ones finish, the pool closes, status 0.
 */
#include "seed.h"
#include "users.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* For a start from the top of the source tree, as `make serve` does. */
#define DEFAULT_SEED "examples/ulfius/seed.sql"

static void wait_for_the_end(const sigset_t *signals, unsigned port)
{
    int signal;

    printf("listening on http://127.0.0.1:%u\n", port);
    fflush(stdout);
    sigwait(signals, &signal);
}

static bool serve(struct pool *pool, unsigned port, const sigset_t *signals)
{
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct _u_instance http;
    bool ok;

    loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (ulfius_init_instance(&http, port, &loopback, NULL) != U_OK)
        return false;
    http.timeout = 30; /* seconds that a client may be silent */
    users_add_routes(&http, pool);
    ok = ulfius_start_framework(&http) == U_OK;
    if (ok) {
        wait_for_the_end(signals, port);
        ulfius_stop_framework(&http);
    } else {
        fprintf(stderr, "ulfius-server: cannot listen on 127.0.0.1:%u\n", port);
    }
    ulfius_clean_instance(&http);
    return ok;
}

static struct pool *open_pool(void)
{
    const char *url = getenv("MYPOOL_URL");
    struct pool_options options;
    struct pool *pool = NULL;
    struct pool_error err;
    void *memory;

    if (!url) {
        fprintf(stderr, "ulfius-server: MYPOOL_URL is not set\n");
        return NULL;
    }
    if (pool_options_from_url(url, &options, &memory, &err)) {
        options.acquire_timeout_ms = 2000; /* an HTTP client should not wait longer */
        options.query_timeout_ms = 5000;
        pool = pool_create(&options, &err);
        free(memory);
    }
    if (!pool)
        fprintf(stderr, "ulfius-server: %s: %s\n", pool_code_name(err.code), err.message);
    return pool;
}

static bool read_port(const char *text, unsigned *ret_port)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    *ret_port = (unsigned)port;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && port >= 1 && port <= 65535;
}

struct arguments {
    unsigned port;
    const char *seed;
};

static bool read_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {{"seed", optional_argument, NULL, 's'}, {0}};
    const char *port = getenv("PORT");
    int option;

    if (!port)
        port = "8080";
    while ((option = getopt_long(argc, argv, "", options, NULL)) == 's')
        arguments->seed = optarg ? optarg : DEFAULT_SEED;
    if (optind < argc)
        port = argv[optind++];
    if (option == -1 && optind == argc && read_port(port, &arguments->port))
        return true;
    fprintf(stderr,
            "usage: MYPOOL_URL=mysql://... ulfius-server [--seed[=FILE]] [PORT]\n"
            "FILE has SQL to run first; default: " DEFAULT_SEED "\n"
            "PORT is 1 to 65535; default: the variable PORT, or 8080 (here '%s')\n",
            port);
    return false;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct pool *pool;
    sigset_t signals;
    bool ok;

    if (!read_arguments(argc, argv, &arguments))
        return 2;
    /* Blocked before any thread starts, so that only sigwait sees them. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pool = open_pool();
    if (!pool)
        return 1;
    ok = (!arguments.seed || seed_database(pool, arguments.seed)) &&
         serve(pool, arguments.port, &signals);
    pool_end(pool, 5000, NULL);
    return ok ? 0 : 1;
}
