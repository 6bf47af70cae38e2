/*
 * The shortest program that uses mypool: a pool, one query, its rows.
 *
 *     quickstart mysql://app:secret@127.0.0.1/mypool
 */
#include <mypool.h>
#include <stdio.h>
#include <stdlib.h>

static bool print_rows(struct pool *pool, struct pool_error *err)
{
    const char *sql = "SELECT 1 AS id, ? AS name UNION ALL SELECT 2, UPPER(?)";
    struct pool_result *rows = pool_query(pool, sql, POOL_ARGS("Ada", "Grace"), err);
    const char *name;
    int64_t id;
    bool all;

    if (!rows)
        return false;
    while (pool_next(rows) && POOL_SCAN(rows, &id, &name))
        printf("%lld %s\n", (long long)id, name);
    all = !pool_result_error(rows);
    if (!all)
        *err = *pool_result_error(rows);
    pool_result_free(rows);
    return all;
}

int main(int argc, char **argv)
{
    const char *url = argc == 2 ? argv[1] : getenv("MYPOOL_URL");
    struct pool_error err;
    struct pool *pool;
    bool ok;

    if (argc > 2 || !url) {
        fprintf(stderr, "usage: quickstart mysql://user:password@host:port/database\n");
        return 1;
    }
    pool = pool_create_url(url, &err);
    ok = pool && print_rows(pool, &err);
    if (!ok)
        fprintf(stderr, "quickstart: %s: %s\n", pool_code_name(err.code), err.message);
    if (pool)
        pool_end(pool, 1000, NULL);
    return ok ? 0 : 1;
}
