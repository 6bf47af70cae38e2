/*
 * One thread serves all links; the fields of `proxy` that are not atomic are its own while it runs.
 */
#include "proxy.h"

#include <linux/filter.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

struct proxy proxy;

/* The proxy: its own thread only, unless said otherwise */

static void close_hard(int fd)
{
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void close_link(struct link *link, bool by_reset)
{
    if (by_reset)
        close_hard(link->client);
    else
        close(link->client);
    close(link->server);
    link->client = -1;
}

static void accept_link(void)
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

static void keep_for_later(const char *data, size_t len)
{
    if (proxy.last_reply_len + len <= sizeof proxy.last_reply) {
        memcpy(proxy.last_reply + proxy.last_reply_len, data, len);
        proxy.last_reply_len += len;
    }
}

/* Passes on what the cut leaves. */
static void pass(struct link *link, enum direction direction, const char *data, size_t len)
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

static void move_bytes(struct link *link, enum direction direction)
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

static void let_trickle(struct link *link)
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

static void send_last_reply_again(struct link *link)
{
    int unacknowledged = 1;
    send_all(link->client, proxy.last_reply, proxy.last_reply_len);
    while (ioctl(link->client, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged)
        pause_ms(1);
    atomic_store(&proxy.repeated, true);
}

void drop_what_comes(int fd)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &drop};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
        abort();
}

static void do_misdeeds(void)
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

static nfds_t what_to_poll(struct pollfd *fds)
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

static void *run_proxy(void *arg)
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

void wake_proxy(void)
{
    if (write(proxy.wake[1], "", 1) != 1)
        abort();
}

void start_proxy(void)
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

void stop_proxy(void)
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

void set_proxy(_Atomic bool *what, bool value)
{
    atomic_store(what, value);
    wake_proxy();
}
