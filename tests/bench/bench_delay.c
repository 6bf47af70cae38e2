/*
 * Runs a command with the server further away: replies come so many microseconds later.
 *
 *   bench_delay MICROSECONDS COMMAND...
 *
 * The command finds a proxy of this program's in MYPOOL_URL. What the server sends is
 * kept until it is due, whatever came before it, so throughput is not limited, as on a real
 * line. One thread, one ppoll; the status is the command's. Part of `make bench`.
 *
 * Needs a server: MYPOOL_SERVER_PORT, MYPOOL_URL.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "loopback.h"

#define LINKS 64
#define CHUNK (64 * 1024)

/* A part of a reply that is not due yet. */
struct chunk {
    struct chunk *next;
    uint64_t due_ns;
    size_t len;
    char data[];
};

struct link {
    int client; /* -1: unused */
    int server;
    struct chunk *first;
    struct chunk **last;
};

static struct link links[LINKS];
static int listener;
static unsigned target; /* the port of the server */
static uint64_t delay_ns;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_delay: %s: %s\n", what, errno ? strerror(errno) : "wrong");
    exit(1);
}

/* MYPOOL_URL with another port. */
static void point_url_at(unsigned port)
{
    char url[1024];
    const char *old = getenv("MYPOOL_URL");
    const char *host = old ? strstr(old, "@127.0.0.1:") : NULL;
    const char *path = host ? strchr(host, '/') : NULL;
    errno = 0;
    if (!path)
        die("MYPOOL_URL");
    snprintf(url, sizeof url, "%.*s@127.0.0.1:%u%s", (int)(host - old), old, port, path);
    setenv("MYPOOL_URL", url, 1);
}

static void open_link(void)
{
    int on = 1;
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    for (int i = 0; client >= 0 && i < LINKS; i++)
        if (links[i].client < 0) {
            setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            links[i] = (struct link){client, connect_to(target), NULL, &links[i].first};
            if (links[i].server < 0)
                die("the server at MYPOOL_SERVER_PORT");
            return;
        }
    close(client);
}

static void close_link(struct link *link)
{
    close(link->client);
    close(link->server);
    for (struct chunk *next; link->first; link->first = next) {
        next = link->first->next;
        free(link->first);
    }
    link->client = -1;
}

/* These return false when the link is over. */

static bool pass_on_request(struct link *link)
{
    char data[CHUNK];
    ssize_t len = recv(link->client, data, sizeof data, 0);
    return len > 0 && send_all(link->server, data, (size_t)len);
}

static bool keep_reply(struct link *link)
{
    struct chunk *chunk = malloc(sizeof *chunk + CHUNK);
    ssize_t len = chunk ? recv(link->server, chunk->data, CHUNK, 0) : -1;
    if (len <= 0) {
        free(chunk);
        return false;
    }
    chunk->next = NULL;
    chunk->due_ns = now_ns() + delay_ns;
    chunk->len = (size_t)len;
    *link->last = chunk;
    link->last = &chunk->next;
    return true;
}

static bool pass_on_what_is_due(struct link *link, uint64_t now)
{
    while (link->first && link->first->due_ns <= now) {
        struct chunk *chunk = link->first;
        bool sent = send_all(link->client, chunk->data, chunk->len);
        link->first = chunk->next;
        if (!link->first)
            link->last = &link->first;
        free(chunk);
        if (!sent)
            return false;
    }
    return true;
}

static uint64_t next_due(void)
{
    uint64_t next = UINT64_MAX;
    for (int i = 0; i < LINKS; i++)
        if (links[i].client >= 0 && links[i].first && links[i].first->due_ns < next)
            next = links[i].first->due_ns;
    return next;
}

static void wait_for_news(struct pollfd *fds, const sigset_t *while_waiting)
{
    struct timespec pause = {0, 0};
    uint64_t next = next_due();
    uint64_t now = now_ns();
    fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (int i = 0; i < LINKS; i++) {
        bool used = links[i].client >= 0;
        fds[2 * i + 1] = (struct pollfd){.fd = used ? links[i].client : -1, .events = POLLIN};
        fds[2 * i + 2] = (struct pollfd){.fd = used ? links[i].server : -1, .events = POLLIN};
    }
    if (next != UINT64_MAX && next > now)
        pause = (struct timespec){(time_t)((next - now) / 1000000000),
                                  (long)((next - now) % 1000000000)};
    if (ppoll(fds, 2 * LINKS + 1, next == UINT64_MAX ? NULL : &pause, while_waiting) < 0)
        memset(fds, 0, (2 * LINKS + 1) * sizeof *fds); /* the command has ended */
}

static void serve(const sigset_t *while_waiting)
{
    struct pollfd fds[2 * LINKS + 1];
    wait_for_news(fds, while_waiting);
    for (int i = 0; i < LINKS; i++) {
        struct link *link = &links[i];
        if (link->client < 0)
            continue;
        bool ok = (!fds[2 * i + 1].revents || pass_on_request(link)) &&
                  (!fds[2 * i + 2].revents || keep_reply(link)) &&
                  pass_on_what_is_due(link, now_ns());
        if (!ok)
            close_link(link);
    }
    if (fds[0].revents)
        open_link();
}

static void on_child(int ignored)
{
    (void)ignored; /* it only has to end the wait */
}

int main(int argc, char **argv)
{
    sigset_t child_only, before;
    unsigned port;
    int status;
    const char *server = getenv("MYPOOL_SERVER_PORT");
    if (argc < 3 || strtoul(argv[1], NULL, 10) == 0) {
        fprintf(stderr, "usage: bench_delay MICROSECONDS COMMAND...\n");
        return 2;
    }
    delay_ns = strtoul(argv[1], NULL, 10) * 1000;
    for (int i = 0; i < LINKS; i++)
        links[i].client = -1;
    target = (unsigned)strtoul(server ? server : "", NULL, 10);
    listener = listen_on_any_port(LINKS, &port);
    point_url_at(port);
    signal(SIGCHLD, on_child);
    sigemptyset(&child_only);
    sigaddset(&child_only, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_only, &before);
    pid_t child = fork();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(argv[2], argv + 2);
        die(argv[2]);
    }
    while (child > 0 && waitpid(child, &status, WNOHANG) == 0)
        serve(&before);
    return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
