/*
 * Reads a million rows one by one, in constant memory.
 *
 * pool_query would hold the whole result; pool_stream calls a function for each
 * row and forgets it. The callback must not keep pointers into a row. What it
 * adds up here proves that every row came once; the growth of the process' peak
 * memory shows that the rows, some 100 MB, were never held together.
 *
 *     stream mysql://app:secret@127.0.0.1/mypool
 */
#include <inttypes.h>
#include <mypool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define ROWS 1000000

/* A cross join of six lists of digits: a million rows that no server stores. */
static const char sql[] =
    "WITH digits AS (SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"
    " UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7"
    " UNION ALL SELECT 8 UNION ALL SELECT 9)"
    " SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d + 100000 * f.d AS n,"
    " REPEAT('x', ?) AS filler"
    " FROM digits a, digits b, digits c, digits d, digits e, digits f";

struct sums {
    int64_t rows;
    int64_t sum;
    int64_t bytes;
};

static bool add_row(struct pool_result *row, void *arg)
{
    struct sums *sums = arg;
    struct pool_bytes filler;
    int64_t n;

    if (!POOL_SCAN(row, &n, &filler))
        return false;
    sums->rows++;
    sums->sum += n;
    sums->bytes += (int64_t)filler.len;
    return true;
}

static long peak_memory_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static bool stream_rows(struct pool *pool, struct pool_error *err)
{
    struct sums sums = {0};
    long before;

    if (!pool_ping(pool, err)) /* connects, so that the growth below is the rows' alone */
        return false;
    before = peak_memory_kib();
    if (!pool_stream(pool, sql, POOL_ARGS(100), add_row, &sums, err))
        return false;
    printf("%" PRId64 " rows, sum %" PRId64 ", %" PRId64 " bytes of filler\n", sums.rows, sums.sum,
           sums.bytes);
    printf("peak memory grew by %ld KiB\n", peak_memory_kib() - before);
    if (sums.rows == ROWS && sums.sum == (int64_t)ROWS * (ROWS + 1) / 2)
        return true;
    fprintf(stderr, "stream: the rows are not the ones that were asked for\n");
    return false;
}

int main(int argc, char **argv)
{
    const char *url = argc == 2 ? argv[1] : getenv("MYPOOL_URL");
    struct pool_error err;
    struct pool *pool;
    bool ok;

    if (argc > 2 || !url) {
        fprintf(stderr, "usage: stream mysql://user:password@host:port/database\n");
        return 1;
    }
    pool = pool_create_url(url, &err);
    ok = pool && stream_rows(pool, &err);
    if (err.code != POOL_OK)
        fprintf(stderr, "stream: %s: %s\n", pool_code_name(err.code), err.message);
    if (pool)
        pool_end(pool, 1000, NULL);
    return ok ? 0 : 1;
}
