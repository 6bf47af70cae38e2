/*
 * What callers see when the database server dies and comes back.
 *
 * Sixteen threads query through eight connections for six seconds. After one
 * second the server gets SIGKILL, half a second later it is started again. Each
 * thread counts what its calls returned; at the end the story is told as a table.
 * A caller that got an error pauses a little, as one that answers its own client
 * does.
 *
 * It is run by `make demo` under tests/tools/with-mariadb, which says in the
 * environment where the server's process is and how to start it again. The main
 * thread plays the misfortune, the others only call. Their counters are their own
 * until they have been joined; what they share is atomic. Two deadlines on each
 * call bound the whole to less than ten seconds, and an alarm bounds the rest.
 */
#include <errno.h>
#include <mypool.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALLERS 16
#define CONNECTIONS 8
#define CODES (POOL_ERR_NO_ROW + 1)
#define STEPS 12 /* rows of the time line */

#define MS 1000000ull /* nanoseconds */
#define KILL_AT (1000 * MS)
#define RESTART_AT (1500 * MS)
#define END_AT (6000 * MS)
#define STEP (END_AT / STEPS)
#define CALL_TIMEOUT_MS 1500 /* for a connection, and again for the statement */

extern char **environ;

/* Where the server is, from the environment. */
struct server {
    const char *url;
    const char *restart;
    char pid_file[512];
    uint16_t port;
};

/* Shared by all threads. Times are nanoseconds since `start`; 0: not yet. */
struct story {
    struct pool *pool;
    uint64_t start;
    uint64_t killed;            /* main thread only, like `accepting` */
    uint64_t accepting;         /* the new server greeted a client */
    _Atomic uint64_t restarted; /* the new server was ordered */
    _Atomic uint64_t recovered; /* the first success after that */
};

/* One thread's part of it. */
struct caller {
    struct story *story;
    pthread_t thread;
    uint64_t successes;
    uint64_t wrong;            /* answers to somebody else's question; there must be none */
    uint64_t errors[CODES][2]; /* by code and not_executed */
    char first[CODES][512];    /* message */
    uint64_t longest;
    uint64_t good[STEPS];
    uint64_t bad[STEPS];
};

static uint64_t since_start(const struct story *story)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec - story->start;
}

static void pause_ns(uint64_t ns)
{
    struct timespec pause = {(time_t)(ns / (1000 * MS)), (long)(ns % (1000 * MS))};

    nanosleep(&pause, NULL);
}

static void wait_until(const struct story *story, uint64_t at)
{
    for (uint64_t now; (now = since_start(story)) < at;)
        pause_ns(at - now);
}

/* ---- The callers. ---- */

static unsigned step_of(uint64_t at)
{
    return at / STEP < STEPS ? (unsigned)(at / STEP) : STEPS - 1;
}

static void note_success(struct caller *caller, uint64_t at)
{
    struct story *story = caller->story;
    uint64_t restarted = atomic_load(&story->restarted);
    uint64_t none = 0;

    caller->successes++;
    caller->good[step_of(at)]++;
    /* The old server has long been gone when the new one is ordered. */
    if (restarted != 0 && at > restarted)
        atomic_compare_exchange_strong(&story->recovered, &none, at);
}

static void note_error(struct caller *caller, uint64_t at, const struct pool_error *err)
{
    caller->bad[step_of(at)]++;
    if (caller->errors[err->code][0] + caller->errors[err->code][1] == 0)
        memcpy(caller->first[err->code], err->message, sizeof(err->message));
    caller->errors[err->code][err->not_executed]++;
}

static void call_once(struct caller *caller, int64_t question)
{
    uint64_t begin = since_start(caller->story), end;
    struct pool_error err;
    struct pool_result *answer =
        pool_query(caller->story->pool, "SELECT ? + 1", POOL_ARGS(question), &err);

    end = since_start(caller->story);
    if (end - begin > caller->longest)
        caller->longest = end - begin;
    if (!answer) {
        note_error(caller, end, &err);
        pause_ns(10 * MS);
        return;
    }
    note_success(caller, end);
    if (!pool_next(answer) || pool_get_int(answer, 0) != question + 1)
        caller->wrong++;
    pool_result_free(answer);
}

static void *caller_main(void *arg)
{
    struct caller *caller = arg;
    int64_t question = (int64_t)(uintptr_t)caller; /* where this thread's numbers begin */

    while (since_start(caller->story) < END_AT)
        call_once(caller, question++);
    return NULL;
}

/* ---- The misfortune. ---- */

static bool kill_server(const struct server *server)
{
    FILE *file = fopen(server->pid_file, "r");
    long pid = 0;

    if (!file || fscanf(file, "%ld", &pid) != 1 || pid <= 1)
        pid = 0;
    if (file)
        fclose(file);
    if (pid > 1 && kill((pid_t)pid, SIGKILL) == 0)
        return true;
    fprintf(stderr, "fault-story: cannot kill the server of '%s': %s\n", server->pid_file,
            pid > 1 ? strerror(errno) : "no pid");
    return false;
}

static bool restart_server(const struct server *server)
{
    char *argv[] = {(char *)server->restart, NULL};
    int status, error;
    pid_t pid;

    error = posix_spawn(&pid, server->restart, NULL, NULL, argv, environ);
    if (error == 0 && waitpid(pid, &status, 0) == pid && status == 0)
        return true;
    fprintf(stderr, "fault-story: '%s' failed%s%s\n", server->restart, error ? ": " : "",
            error ? strerror(error) : "");
    return false;
}

/* The kernel accepts before the server does; only a greeting proves that it is up. */
static bool server_greets(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    bool greets;
    char byte;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    greets = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
             poll(&wait, 1, 1000) == 1 && recv(fd, &byte, 1, 0) == 1;
    if (fd >= 0)
        close(fd);
    return greets;
}

static bool play(struct story *story, const struct server *server)
{
    wait_until(story, KILL_AT);
    if (!kill_server(server))
        return false;
    story->killed = since_start(story);
    wait_until(story, RESTART_AT);
    atomic_store(&story->restarted, since_start(story));
    if (!restart_server(server))
        return false;
    while (story->accepting == 0 && since_start(story) < END_AT) {
        if (server_greets(server->port))
            story->accepting = since_start(story);
        else
            pause_ns(MS / 2);
    }
    return true;
}

/* ---- The table. ---- */

static double ms(uint64_t ns)
{
    return (double)ns / (double)MS;
}

static void add_up(struct caller *total, const struct caller *caller)
{
    total->successes += caller->successes;
    total->wrong += caller->wrong;
    if (caller->longest > total->longest)
        total->longest = caller->longest;
    for (unsigned s = 0; s < STEPS; s++) {
        total->good[s] += caller->good[s];
        total->bad[s] += caller->bad[s];
    }
    for (unsigned c = 0; c < CODES; c++) {
        if (total->first[c][0] == '\0')
            memcpy(total->first[c], caller->first[c], sizeof(total->first[c]));
        for (unsigned n = 0; n < 2; n++)
            total->errors[c][n] += caller->errors[c][n];
    }
}

static void print_time_line(const struct story *story, const struct caller *total)
{
    printf("%9s %10s %8s\n", "seconds", "successes", "errors");
    for (unsigned s = 0; s < STEPS; s++) {
        uint64_t from = s * STEP, to = from + STEP;

        printf("%4.1f-%4.1f %10llu %8llu%s%s\n", ms(from) / 1000, ms(to) / 1000,
               (unsigned long long)total->good[s], (unsigned long long)total->bad[s],
               story->killed >= from && story->killed < to ? "  server killed" : "",
               story->accepting >= from && story->accepting < to ? "  server accepts again" : "");
    }
}

static uint64_t print_errors(const struct caller *total)
{
    uint64_t all = 0;

    printf("\n%-20s %8s %14s\n", "errors by class", "calls", "not executed");
    for (unsigned c = 0; c < CODES; c++) {
        uint64_t calls = total->errors[c][0] + total->errors[c][1];

        all += calls;
        if (calls == 0)
            continue;
        printf("%-20s %8llu %14llu\n", pool_code_name((enum pool_code)c), (unsigned long long)calls,
               (unsigned long long)total->errors[c][1]);
        printf("    the first: %s\n", total->first[c]);
    }
    if (all == 0)
        printf("none\n");
    return all;
}

static bool print_recovery(const struct story *story)
{
    uint64_t recovered = atomic_load(&story->recovered);

    if (story->accepting == 0 || recovered == 0) {
        printf("%s\n", story->accepting ? "no success after the restart"
                                        : "the server did not come back in time");
        return false;
    }
    printf("server accepts again %12.1f ms after the restart\n",
           ms(story->accepting - atomic_load(&story->restarted)));
    /* A query may win against the main thread's own look by a moment. */
    printf("first success        %12.1f ms after that\n",
           recovered > story->accepting ? ms(recovered - story->accepting) : 0);
    return true;
}

static bool tell(const struct story *story, const struct caller *callers)
{
    static struct caller total; /* large */
    uint64_t errors;

    for (unsigned i = 0; i < CALLERS; i++)
        add_up(&total, &callers[i]);
    printf("%d callers on %d connections\n\n", CALLERS, CONNECTIONS);
    print_time_line(story, &total);
    errors = print_errors(&total);
    printf("\ncalls                %12llu\n", (unsigned long long)(total.successes + errors));
    printf("successes            %12llu\n", (unsigned long long)total.successes);
    printf("wrong answers        %12llu\n", (unsigned long long)total.wrong);
    printf("longest call         %12.1f ms\n", ms(total.longest));
    return print_recovery(story) && total.wrong == 0;
}

/* ---- Putting it together. ---- */

static bool find_server(struct server *server)
{
    const char *directory = getenv("MYPOOL_SERVER_DIR"), *port = getenv("MYPOOL_SERVER_PORT");

    server->url = getenv("MYPOOL_URL");
    server->restart = getenv("MYPOOL_SERVER_RESTART");
    if (!server->url || !server->restart || !directory || !port) {
        fprintf(stderr, "usage: tests/tools/with-mariadb fault-story\n"
                        "It kills and restarts the server, so it takes no other one.\n");
        return false;
    }
    server->port = (uint16_t)strtoul(port, NULL, 10);
    snprintf(server->pid_file, sizeof(server->pid_file), "%s/pid", directory);
    return true;
}

static struct pool *make_pool(const char *url, struct pool_error *err)
{
    struct pool_options options;
    struct pool *pool;
    void *memory;

    if (!pool_options_from_url(url, &options, &memory, err))
        return NULL;
    options.connection_limit = options.min_idle = CONNECTIONS;
    options.acquire_timeout_ms = options.query_timeout_ms = CALL_TIMEOUT_MS;
    pool = pool_create(&options, err);
    free(memory);
    if (pool && !pool_ping(pool, err)) {
        pool_end(pool, 0, NULL);
        return NULL;
    }
    return pool;
}

static bool run(struct story *story, const struct server *server)
{
    static struct caller callers[CALLERS];
    unsigned started = 0;
    bool ok;

    story->start = since_start(story);
    for (; started < CALLERS; started++) {
        callers[started].story = story;
        if (pthread_create(&callers[started].thread, NULL, caller_main, &callers[started]) != 0)
            break;
    }
    ok = started == CALLERS && play(story, server);
    for (unsigned i = 0; i < started; i++)
        pthread_join(callers[i].thread, NULL);
    return ok && tell(story, callers);
}

int main(void)
{
    struct story story = {0};
    struct pool_error err;
    struct server server;
    bool ok;

    if (!find_server(&server))
        return 1;
    alarm(15);
    story.pool = make_pool(server.url, &err);
    if (!story.pool) {
        fprintf(stderr, "fault-story: %s: %s\n", pool_code_name(err.code), err.message);
        return 1;
    }
    ok = run(&story, &server);
    pool_end(story.pool, 500, NULL);
    return ok ? 0 : 1;
}
