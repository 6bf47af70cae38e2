/* libzdb on the work of poolbench. Usage: see build. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <zdb.h>

#define LATENCIES (1 << 20)

struct caller {
    pthread_t thread;
    unsigned seed;
    long operations;
    long measured;
    double *latencies;
};

static ConnectionPool_T pool;
static bool query;
static atomic_bool stop;

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void run_query(Connection_T connection, struct caller *caller)
{
    int key = rand_r(&caller->seed) % 100000 + 1;
    PreparedStatement_T statement =
        Connection_prepareStatement(connection, "SELECT id, name, v FROM poolbench WHERE id = ?");
    PreparedStatement_setInt(statement, 1, key);
    ResultSet_T row = PreparedStatement_executeQuery(statement);
    if (!ResultSet_next(row) || ResultSet_getInt(row, 1) != key || !ResultSet_getString(row, 2)) {
        fputs("wrong row\n", stderr);
        exit(1);
    }
    ResultSet_getDouble(row, 3);
}

static void *call(void *arg)
{
    struct caller *caller = arg;
    while (!stop) {
        double start = now_us();
        Connection_T connection = ConnectionPool_getConnection(pool);
        if (!connection) { /* libzdb does not wait */
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
            continue;
        }
        if (query)
            run_query(connection, caller);
        Connection_close(connection);
        caller->operations++;
        if (caller->measured < LATENCIES)
            caller->latencies[caller->measured++] = now_us() - start;
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const struct caller *callers, int count, double elapsed_us, double cpu)
{
    long operations = 0;
    long measured = 0;
    for (int i = 0; i < count; i++) {
        operations += callers[i].operations;
        measured += callers[i].measured;
    }
    double *all = malloc((size_t)(measured + 1) * sizeof *all);
    if (!all)
        exit(1);
    all[0] = 0;
    measured = 0;
    for (int i = 0; i < count; i++) {
        memcpy(all + measured, callers[i].latencies, (size_t)callers[i].measured * sizeof *all);
        measured += callers[i].measured;
    }
    qsort(all, (size_t)measured, sizeof *all, compare);
    printf("libzdb %.0f %.1f %.1f %.2f\n", (double)operations / elapsed_us * 1e6, all[measured / 2],
           all[measured * 99 / 100], cpu / (double)operations);
    free(all);
}

int main(int argc, char **argv)
{
    if (argc != 5 || !getenv("MYPOOL_URL"))
        return 2;
    int count = (int)strtol(argv[1], NULL, 10);
    int connections = (int)strtol(argv[2], NULL, 10);
    double seconds = strtod(argv[3], NULL);
    query = strcmp(argv[4], "query") == 0;
    if (!query && strcmp(argv[4], "cycle") != 0) {
        fprintf(stderr, "no such work: %s\n", argv[4]);
        return 2;
    }
    URL_T url = URL_new(getenv("MYPOOL_URL"));
    pool = ConnectionPool_new(url);
    ConnectionPool_setInitialConnections(pool, connections);
    ConnectionPool_setMaxConnections(pool, connections);
    ConnectionPool_start(pool);
    struct caller *callers = calloc((size_t)count, sizeof *callers);
    double start = now_us();
    double cpu = cpu_us();
    for (int i = 0; callers && i < count; i++) {
        callers[i].seed = (unsigned)i + 1;
        callers[i].latencies = malloc(LATENCIES * sizeof(double));
        if (!callers[i].latencies || pthread_create(&callers[i].thread, NULL, call, &callers[i]))
            exit(1);
    }
    nanosleep(&(struct timespec){(time_t)seconds, (long)((seconds - (double)(long)seconds) * 1e9)},
              NULL);
    stop = true;
    for (int i = 0; callers && i < count; i++)
        pthread_join(callers[i].thread, NULL);
    report(callers, count, now_us() - start, cpu_us() - cpu);
    ConnectionPool_stop(pool);
    ConnectionPool_free(&pool);
    URL_free(&url);
    return 0;
}
