/*
 * Keeps nothing: who makes a pool ends it.
 */
#include "pools.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

struct pool *pool_of(const char *variable, struct pool_options wish)
{
    struct pool_options from;
    struct pool_error err;
    void *memory;
    assert_non_null(getenv(variable)); /* MYPOOL_URL and its kin come from with-mariadb */
    assert_true(pool_options_from_url(getenv(variable), &from, &memory, &err));
    wish.host = from.host;
    wish.socket = from.socket;
    wish.port = wish.port ? wish.port : from.port;
    wish.user = wish.user ? wish.user : from.user;
    wish.password = wish.password ? wish.password : from.password;
    wish.database = from.database;
    wish.tls = wish.tls ? wish.tls : from.tls;
    wish.tls_ca = wish.tls_ca ? wish.tls_ca : from.tls_ca;
    struct pool *pool = pool_create(&wish, &err);
    free(memory);
    if (!pool)
        fail_msg("%s", err.message);
    return pool;
}

struct pool_stats stats_of(struct pool *pool)
{
    struct pool_stats stats;
    pool_stats(pool, &stats);
    return stats;
}
