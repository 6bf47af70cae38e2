/*
 * A server that lies, and a pool that is its victim.
 *
 * The server is a script on a thread of this program: it knows just enough of the
 * protocol to let a client log in and set its session up, and sends prepared bytes at
 * one point: as the greeting, as the answer to the login, to a prepare or to a
 * statement. It keeps everything that clients send, so that a test can look for what
 * must never leave: the password and the content of a file.
 *
 * Nothing here needs a real server. What must happen is always the same: no crash, an
 * error in time, a connection that nobody gets again, and no secret in any message.
 * Include cmocka.h first.
 */
#ifndef TESTS_FAKE_SERVER_H
#define TESTS_FAKE_SERVER_H

#include <mypool.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

#define PASSWORD "canary-b7f3e1-password"
#define FILE_CONTENT "canary-55d20c-file"
#define MOST_PEERS 64
#define MUTATIONS 200
#define SOON_MS 1000      /* the deadline, where one is what ends the call */
#define GENEROUS_MS 15000 /* all others, so that a slow machine meets none */
#define LATE_MS 30000

/* Bytes to be sent. */
struct bytes {
    uint8_t data[16384];
    size_t len;
};

struct server {
    int listener;
    unsigned port;
    pthread_t acceptor;
    pthread_t peers[MOST_PEERS];
    int fds[MOST_PEERS];
    unsigned peer_count; /* acceptor's */
    _Atomic bool stop;
    /* The script; set before the first client comes. */
    struct bytes greeting;
    struct bytes login;   /* in answer to the login */
    struct bytes prepare; /* in answer to a prepare */
    struct bytes reply;   /* in answer to a statement that is the caller's */
    struct bytes later;   /* in answer to all executions but the first; empty: `reply` */
    _Atomic unsigned executions;
    bool caches_columns; /* it may leave out the columns that the client knows */
    size_t repeat_from;  /* what follows in `reply` is sent for ever; 0: once */
    bool greeting_repeats;
    bool login_repeats;
    bool lets_nobody_in;       /* a login ends at the client's deadline */
    bool sets_nothing_up;      /* the statements after it are not answered; set with the former */
    bool has_no_end;           /* a statement does */
    unsigned greeting_byte_ms; /* one byte at a time */
    bool says_more_after_quit;
    /* What clients have sent. */
    pthread_mutex_t lock;
    uint8_t *heard;
    size_t heard_len;
    size_t heard_size;
};
extern struct server server;

extern struct pool *the_pool;

/* Packets */

void add_raw(struct bytes *bytes, const void *data, size_t len);
void add_byte(struct bytes *bytes, unsigned value);
void add_header(struct bytes *bytes, size_t len, unsigned sequence);
void add_packet(struct bytes *bytes, unsigned sequence, const void *data, size_t len);

#define ADD_PACKET(bytes, sequence, literal)                                                       \
    add_packet(bytes, sequence, literal, sizeof(literal) - 1)

#define OK_PACKET "\0\0\0\2\0\0\0"
#define EOF_PACKET "\xfe\0\0\2\0"
#define EOF_WITH_MORE "\xfe\0\0\x0a\0"

/* The beginning of a result of one column. */
void add_columns(struct bytes *bytes, unsigned type);

#define TYPE_LONG 3
#define TYPE_LONGLONG 8
#define TYPE_DATETIME 12
#define TYPE_VARCHAR 253

void add_error(struct bytes *bytes, unsigned sequence, unsigned code, const char *text);
void make_greeting(struct bytes *payload, const char *plugin);
void add_greeting(struct bytes *bytes, const char *plugin);

/* A prepared statement without values and with one column. */
void add_prepared(struct bytes *bytes, unsigned type);

/* The server's threads */

bool was_heard(const char *what);
void start_fake_server(void);

/* A server that does nothing wrong until a test changes the script. */
void be_honest(void);

int set_up_fake_server(void **state);
void end_it(void);
int tear_down_fake_server(void **state);

/* The client */

struct pool_options victim(void);

/* Starts the script and a pool, and asks `sql`. */
struct pool_result *ask_with(struct pool_options options, const char *sql, bool as_text,
                             struct pool_error *err);

struct pool_error fail_to_ask(bool as_text);
void forget(struct bytes *bytes);

#endif
