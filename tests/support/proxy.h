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
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
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

struct proxy {
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
};
extern struct proxy proxy;

/* The proxy: its own thread only, unless said otherwise */

/* A filter that lets nothing pass: neither data nor a probe is acknowledged any more. */
void drop_what_comes(int fd);

/* Any thread: after a change of the fields above. */
void wake_proxy(void);

void start_proxy(void);
void stop_proxy(void);
void set_proxy(_Atomic bool *what, bool value);

#endif
