/*
 * A small proxy between a pool and the server, which can cut a session after a number of
 * bytes of either direction, swallow one direction or stop both, fall silent like a network
 * without its cable, let bytes trickle or come late, repeat a reply, or hang up on idle
 * sessions. It is one thread with a poll loop; tests talk to it through the atomic fields of
 * `proxy`.
 */
#ifndef TESTS_PROXY_H
#define TESTS_PROXY_H

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "loopback.h"

#define LINKS 32
#define TRICKLE_MS 20
#define LATE_BY_MS 50

enum direction { UP, DOWN }; /* to the server, to the client */

/* A session through the proxy. */
struct link {
    int client; /* -1: unused */
    int server;
    char held[65536]; /* of the reply, while it trickles or is late */
    size_t held_len;
    uint64_t next_ms;
};

static struct proxy {
    pthread_t thread;
    unsigned port;
    unsigned target;
    int listener;
    int wake[2];
    struct link links[LINKS];
    char last_reply[65536]; /* since `keep_reply` was set */
    size_t last_reply_len;
    _Atomic bool stop;
    _Atomic bool black_hole; /* nothing passes, nothing is closed */
    _Atomic bool swallow[2]; /* what goes in this direction is lost */
    _Atomic bool trickle;    /* replies: one byte every TRICKLE_MS */
    _Atomic bool late;       /* replies: LATE_BY_MS */
    _Atomic bool keep_reply;
    _Atomic bool repeat;    /* send the kept reply once more */
    _Atomic int hang_up;    /* once: 1 FIN, 2 RST to all clients */
    _Atomic bool go_silent; /* once: what clients send is lost, and not acknowledged */
    _Atomic bool is_silent;
    _Atomic long cut[2]; /* bytes until the cut, per direction; -1: no cut */
    _Atomic bool cut_by_reset;
    _Atomic uint64_t bytes[2];
    _Atomic uint64_t swallowed[2];
    _Atomic bool hung_up;
    _Atomic bool repeated; /* the client's kernel has it */
} proxy;

/* The proxy: its own thread only, unless said otherwise */

static inline void close_hard(int fd)
{
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static inline void close_link(struct link *link, bool by_reset)
{
    if (by_reset)
        close_hard(link->client);
    else
        close(link->client);
    close(link->server);
    link->client = -1;
}

static inline void accept_link(void)
{
    int on = 1;
    int client = accept4(proxy.listener, NULL, NULL, SOCK_CLOEXEC);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (int i = 0; i < LINKS; i++)
        if (proxy.links[i].client < 0) {
            proxy.links[i].held_len = 0;
            proxy.links[i].server = connect_to(proxy.target);
            proxy.links[i].client = client;
            return;
        }
    close(client);
}

static inline void keep_for_later(const char *data, size_t len)
{
    if (proxy.last_reply_len + len <= sizeof proxy.last_reply) {
        memcpy(proxy.last_reply + proxy.last_reply_len, data, len);
        proxy.last_reply_len += len;
    }
}

/* Passes on what the cut leaves. */
static inline void pass(struct link *link, enum direction direction, const char *data, size_t len)
{
    long left = atomic_load(&proxy.cut[direction]);
    bool last = left >= 0 && (size_t)left <= len;
    size_t count = last ? (size_t)left : len;
    /* Before the bytes go: whoever gets them may arm the next cut at once. */
    atomic_fetch_add(&proxy.bytes[direction], len);
    if (left >= 0)
        atomic_store(&proxy.cut[direction], last ? -1 : left - (long)len);
    bool ok = send_all(direction == UP ? link->server : link->client, data, count);
    if (last || !ok)
        close_link(link, last && atomic_load(&proxy.cut_by_reset));
}

static inline void move_bytes(struct link *link, enum direction direction)
{
    char buffer[16384];
    bool late = atomic_load(&proxy.late);
    bool slowly = direction == DOWN && (late || atomic_load(&proxy.trickle));
    size_t room = sizeof link->held - link->held_len;
    size_t most = slowly && room < sizeof buffer ? room : sizeof buffer;
    int from = direction == UP ? link->client : link->server;
    ssize_t count = recv(from, buffer, most, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        close_link(link, false);
        return;
    }
    if (atomic_load(&proxy.swallow[direction])) {
        atomic_fetch_add(&proxy.swallowed[direction], (uint64_t)count);
        return;
    }
    if (direction == DOWN && atomic_load(&proxy.keep_reply))
        keep_for_later(buffer, (size_t)count);
    if (slowly) {
        if (late && link->held_len == 0)
            link->next_ms = now_ms() + LATE_BY_MS;
        memcpy(link->held + link->held_len, buffer, (size_t)count);
        link->held_len += (size_t)count;
    } else {
        pass(link, direction, buffer, (size_t)count);
    }
}

static inline void let_trickle(struct link *link)
{
    if (link->client < 0 || !link->held_len || now_ms() < link->next_ms)
        return;
    size_t count = atomic_load(&proxy.trickle) ? 1 : link->held_len;
    link->next_ms = now_ms() + TRICKLE_MS;
    if (!send_all(link->client, link->held, count)) {
        close_link(link, false);
        return;
    }
    link->held_len -= count;
    memmove(link->held, link->held + count, link->held_len);
}

static inline void send_last_reply_again(struct link *link)
{
    int unacknowledged = 1;
    send_all(link->client, proxy.last_reply, proxy.last_reply_len);
    while (ioctl(link->client, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged)
        pause_ms(1);
    atomic_store(&proxy.repeated, true);
}

/* A filter that lets nothing pass: neither data nor a probe is acknowledged any more. */
static inline void drop_what_comes(int fd)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &drop};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
        abort();
}

static inline void do_misdeeds(void)
{
    bool go_silent = atomic_exchange(&proxy.go_silent, false);
    int hang_up = atomic_exchange(&proxy.hang_up, 0);
    bool repeat = atomic_exchange(&proxy.repeat, false);
    for (int i = 0; i < LINKS; i++) {
        struct link *link = &proxy.links[i];
        if (link->client < 0)
            continue;
        if (repeat)
            send_last_reply_again(link);
        if (go_silent)
            drop_what_comes(link->client);
        if (hang_up == 1)
            shutdown(link->client, SHUT_WR);
        else if (hang_up == 2)
            close_link(link, true);
    }
    if (hang_up)
        atomic_store(&proxy.hung_up, true);
    if (go_silent)
        atomic_store(&proxy.is_silent, true);
}

static inline nfds_t what_to_poll(struct pollfd *fds)
{
    short events = atomic_load(&proxy.black_hole) ? 0 : POLLIN;
    fds[0] = (struct pollfd){.fd = proxy.wake[0], .events = POLLIN};
    fds[1] = (struct pollfd){.fd = proxy.listener, .events = POLLIN};
    for (int i = 0; i < LINKS; i++) {
        bool used = proxy.links[i].client >= 0 && events;
        fds[2 + 2 * i] = (struct pollfd){.fd = used ? proxy.links[i].client : -1, .events = events};
        fds[3 + 2 * i] = (struct pollfd){.fd = used ? proxy.links[i].server : -1, .events = events};
    }
    return 2 + 2 * LINKS;
}

static inline void *run_proxy(void *arg)
{
    struct pollfd fds[2 + 2 * LINKS];
    char drain[64];
    while (!atomic_load(&proxy.stop)) {
        bool slowly = atomic_load(&proxy.trickle) || atomic_load(&proxy.late);
        poll(fds, what_to_poll(fds), slowly ? TRICKLE_MS / 4 : 1000);
        if (fds[0].revents && read(proxy.wake[0], drain, sizeof drain) < 0)
            abort();
        for (int i = 0; i < LINKS; i++) {
            struct link *link = &proxy.links[i];
            if (link->client >= 0 && fds[2 + 2 * i].revents)
                move_bytes(link, UP);
            if (link->client >= 0 && fds[3 + 2 * i].revents)
                move_bytes(link, DOWN);
            let_trickle(link);
        }
        if (fds[1].revents)
            accept_link();
        do_misdeeds();
    }
    return arg;
}

/* Any thread: after a change of the fields above. */
static inline void wake_proxy(void)
{
    if (write(proxy.wake[1], "", 1) != 1)
        abort();
}

static inline void start_proxy(void)
{
    memset(&proxy, 0, sizeof proxy);
    for (int i = 0; i < LINKS; i++)
        proxy.links[i].client = -1;
    proxy.target = (unsigned)strtoul(getenv("MYPOOL_SERVER_PORT"), NULL, 10);
    atomic_store(&proxy.cut[UP], -1);
    atomic_store(&proxy.cut[DOWN], -1);
    proxy.listener = listen_on_any_port(64, &proxy.port);
    if (pipe2(proxy.wake, O_CLOEXEC) != 0 ||
        pthread_create(&proxy.thread, NULL, run_proxy, NULL) != 0)
        abort();
}

static inline void stop_proxy(void)
{
    atomic_store(&proxy.stop, true);
    wake_proxy();
    pthread_join(proxy.thread, NULL);
    for (int i = 0; i < LINKS; i++)
        if (proxy.links[i].client >= 0)
            close_link(&proxy.links[i], false);
    close(proxy.listener);
    close(proxy.wake[0]);
    close(proxy.wake[1]);
}

static inline void set_proxy(_Atomic bool *what, bool value)
{
    atomic_store(what, value);
    wake_proxy();
}

#endif
