/*
 * Resident memory of a pool: with none open, and per open idle connection. Part of
 * `make bench`; prints two lines.
 *
 * Needs a server: MYPOOL_URL.
 */
#include "mypool.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define OPEN 100

static long resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        exit(1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static struct pool *make(unsigned limit, unsigned min_idle)
{
    struct pool_options options;
    struct pool_error err;
    void *memory;
    if (!pool_options_from_url(getenv("MYPOOL_URL"), &options, &memory, &err)) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    options.connection_limit = limit;
    options.min_idle = min_idle;
    struct pool *pool = pool_create(&options, &err);
    free(memory);
    if (!pool) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    return pool;
}

static void wait_until_open(struct pool *pool, unsigned count)
{
    struct pool_stats stats;
    struct timespec pause = {0, 10000000};
    for (int tries = 0; tries < 1000; tries++) {
        pool_stats(pool, &stats);
        if (stats.idle >= count)
            return;
        nanosleep(&pause, NULL);
    }
    exit(1);
}

int main(void)
{
    pool_end(make(1, 0), 0, NULL); /* libraries are loaded and started */
    long before = resident_bytes();
    struct pool *empty = make(1000, 0);
    long with_empty = resident_bytes();
    struct pool *one = make(OPEN, 1);
    wait_until_open(one, 1);
    long with_one = resident_bytes();
    struct pool *full = make(OPEN, OPEN);
    wait_until_open(full, OPEN);
    long with_full = resident_bytes();
    printf("a pool of limit 1000 with none open: %ld KiB resident\n", (with_empty - before) / 1024);
    printf("an open idle connection: %.1f KiB resident (mean of %d)\n",
           (double)(with_full - with_one) / 1024 / OPEN, OPEN);
    pool_end(full, 0, NULL);
    pool_end(one, 0, NULL);
    pool_end(empty, 0, NULL);
    return 0;
}
