/*
 * One thread accepts, and one serves each client; a test changes the script before the first client
 * comes. What was heard is under the lock of the server. The set-up makes the server an honest one.
 */
#include "fake_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mypool.h"

struct server server;

struct pool *the_pool;

/* Packets */

void add_raw(struct bytes *bytes, const void *data, size_t len)
{
    if (bytes->len + len > sizeof bytes->data)
        abort();
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
}

void add_byte(struct bytes *bytes, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    add_raw(bytes, &byte, 1);
}

void add_header(struct bytes *bytes, size_t len, unsigned sequence)
{
    add_byte(bytes, len & 0xff);
    add_byte(bytes, len >> 8 & 0xff);
    add_byte(bytes, len >> 16 & 0xff);
    add_byte(bytes, sequence);
}

void add_packet(struct bytes *bytes, unsigned sequence, const void *data, size_t len)
{
    add_header(bytes, len, sequence);
    add_raw(bytes, data, len);
}

static void add_text(struct bytes *bytes, const char *text)
{
    add_byte(bytes, (unsigned)strlen(text));
    add_raw(bytes, text, strlen(text));
}

static void add_column(struct bytes *bytes, unsigned sequence, const char *name, unsigned type)
{
    struct bytes column = {.len = 0};
    add_text(&column, "def");
    add_text(&column, "");
    add_text(&column, "");
    add_text(&column, "");
    add_text(&column, name);
    add_text(&column, "");
    add_raw(&column, "\x0c\x2d\0\xff\0\0\0", 7);
    add_byte(&column, type);
    add_raw(&column, "\0\0\0\0\0", 5);
    add_packet(bytes, sequence, column.data, column.len);
}

void add_columns(struct bytes *bytes, unsigned type)
{
    ADD_PACKET(bytes, 1, "\1");
    add_column(bytes, 2, "n", type);
    ADD_PACKET(bytes, 3, EOF_PACKET);
}

static void add_text_result(struct bytes *bytes, unsigned columns, const char *value)
{
    struct bytes row = {.len = 0};
    uint8_t count = (uint8_t)columns;
    add_packet(bytes, 1, &count, 1);
    for (unsigned i = 0; i < columns; i++) {
        add_column(bytes, 2 + i, "n", TYPE_VARCHAR);
        add_text(&row, value);
    }
    ADD_PACKET(bytes, 2 + columns, EOF_PACKET);
    add_packet(bytes, 3 + columns, row.data, row.len);
    ADD_PACKET(bytes, 4 + columns, EOF_PACKET);
}

void add_error(struct bytes *bytes, unsigned sequence, unsigned code, const char *text)
{
    struct bytes packet = {.len = 0};
    add_byte(&packet, 0xff);
    add_byte(&packet, code & 0xff);
    add_byte(&packet, code >> 8);
    add_raw(&packet, "#HY000", 6);
    add_raw(&packet, text, strlen(text));
    add_packet(bytes, sequence, packet.data, packet.len);
}

#define CAPABILITIES 0x009ea68fu /* those of a server of today, without TLS and compression */

void make_greeting(struct bytes *payload, const char *plugin)
{
    unsigned caps = CAPABILITIES & ~(unsigned)server.caches_columns;
    add_byte(payload, 10);
    add_raw(payload, "5.5.5-10.11.19-MariaDB", 23);
    add_raw(payload, "\7\0\0\0abcdefgh", 13);
    add_byte(payload, caps & 0xff);
    add_byte(payload, caps >> 8 & 0xff);
    add_raw(payload, "\x2d\2\0", 3);
    add_byte(payload, caps >> 16 & 0xff);
    add_byte(payload, caps >> 24);
    add_raw(payload, "\x15\0\0\0\0\0\0", 7);
    add_byte(payload, server.caches_columns ? 0x10 : 0);
    add_raw(payload, "\0\0\0ijklmnopqrst", 16);
    add_raw(payload, plugin, strlen(plugin) + 1);
}

void add_greeting(struct bytes *bytes, const char *plugin)
{
    struct bytes payload = {.len = 0};
    make_greeting(&payload, plugin);
    add_packet(bytes, 0, payload.data, payload.len);
}

void add_prepared(struct bytes *bytes, unsigned type)
{
    ADD_PACKET(bytes, 1, "\0\1\0\0\0\1\0\0\0\0\0\0");
    add_column(bytes, 2, "n", type);
    ADD_PACKET(bytes, 3, EOF_PACKET);
}

/* The server's threads */

static void hear(const uint8_t *data, size_t len)
{
    pthread_mutex_lock(&server.lock);
    if (server.heard_len + len > server.heard_size) {
        server.heard_size = (server.heard_len + len) * 2;
        server.heard = realloc(server.heard, server.heard_size);
    }
    memcpy(server.heard + server.heard_len, data, len);
    server.heard_len += len;
    pthread_mutex_unlock(&server.lock);
}

bool was_heard(const char *what)
{
    pthread_mutex_lock(&server.lock);
    bool found = server.heard_len && memmem(server.heard, server.heard_len, what, strlen(what));
    pthread_mutex_unlock(&server.lock);
    return found;
}

static bool say(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool say_bytes(int fd, const struct bytes *bytes)
{
    return say(fd, bytes->data, bytes->len);
}

static bool listen_to(int fd, uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t count = recv(fd, data, len, 0);
        if (count <= 0)
            return false;
        hear(data, (size_t)count);
        data += count;
        len -= (size_t)count;
    }
    return true;
}

static bool read_packet(int fd, char *ret_payload, size_t size, size_t *ret_len)
{
    uint8_t header[4];
    if (!listen_to(fd, header, 4))
        return false;
    size_t len = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
    if (len >= size || !listen_to(fd, (uint8_t *)ret_payload, len))
        return false;
    ret_payload[len] = '\0';
    *ret_len = len;
    return true;
}

static void say_for_ever(int fd, const uint8_t *data, size_t len)
{
    while (!atomic_load(&server.stop) && say(fd, data, len))
        ;
}

static bool greet(int fd)
{
    if (server.greeting_repeats)
        say_for_ever(fd, server.greeting.data, server.greeting.len);
    if (!server.greeting_byte_ms)
        return say_bytes(fd, &server.greeting);
    for (size_t i = 0; i < server.greeting.len && !atomic_load(&server.stop); i++) {
        if (!say(fd, server.greeting.data + i, 1))
            return false;
        pause_ms(server.greeting_byte_ms);
    }
    return true;
}

static bool let_in(int fd)
{
    char payload[4096];
    size_t len;
    if (!greet(fd) || !read_packet(fd, payload, sizeof payload, &len))
        return false;
    if (server.login_repeats)
        say_for_ever(fd, server.login.data, server.login.len);
    return say_bytes(fd, &server.login);
}

static bool answer_query(int fd, const char *sql)
{
    struct bytes bytes = {.len = 0};
    if (strncmp(sql, "SELECT CONNECTION_ID()", 22) == 0) {
        unsigned columns = 1;
        for (const char *c = sql; *c; c++)
            columns += *c == ',';
        add_text_result(&bytes, columns, "1000000");
    } else if (strncmp(sql, "SET ", 4) == 0) {
        if (server.sets_nothing_up)
            return true;
        ADD_PACKET(&bytes, 1, OK_PACKET);
    } else if (strncmp(sql, "KILL ", 5) == 0) {
        add_error(&bytes, 1, 1094, "Unknown thread id");
    } else {
        if (!say_bytes(fd, &server.reply))
            return false;
        if (server.repeat_from)
            say_for_ever(fd, server.reply.data + server.repeat_from,
                         server.reply.len - server.repeat_from);
    }
    return say_bytes(fd, &bytes);
}

static bool answer(int fd, const char *payload)
{
    struct bytes bytes = {.len = 0};
    switch (payload[0]) {
    case 1: /* quit */
        if (server.says_more_after_quit)
            say_for_ever(fd, (const uint8_t *)"\1\0\0\0x", 5);
        return false;
    case 3: /* query */ return answer_query(fd, payload + 1);
    case 0x16: /* prepare */ return say_bytes(fd, &server.prepare);
    case 0x17: /* execute */
        if (atomic_fetch_add(&server.executions, 1) > 0 && server.later.len)
            return say_bytes(fd, &server.later);
        return answer_query(fd, "");
    case 0x19: /* close of a statement: no answer */ return true;
    default: ADD_PACKET(&bytes, 1, OK_PACKET); return say_bytes(fd, &bytes);
    }
}

static void *serve_peer(void *arg)
{
    int fd = *(int *)arg;
    char payload[65536];
    size_t len;
    bool ok = let_in(fd);
    while (ok && read_packet(fd, payload, sizeof payload, &len) && len > 0)
        ok = answer(fd, payload);
    shutdown(fd, SHUT_RDWR); /* closed when the test is over */
    return NULL;
}

static void *accept_peers(void *arg)
{
    while (!atomic_load(&server.stop) && server.peer_count < MOST_PEERS) {
        int fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        unsigned i = server.peer_count;
        server.fds[i] = fd;
        if (pthread_create(&server.peers[i], NULL, serve_peer, &server.fds[i]) != 0)
            abort();
        server.peer_count++;
    }
    return arg;
}

void start_fake_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server.listener, (struct sockaddr *)&address, size) != 0 ||
        listen(server.listener, 64) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&server.acceptor, NULL, accept_peers, NULL) != 0)
        abort();
    server.port = ntohs(address.sin_port);
}

static void stop_fake_server(void)
{
    atomic_store(&server.stop, true);
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.acceptor, NULL);
    for (unsigned i = 0; i < server.peer_count; i++)
        shutdown(server.fds[i], SHUT_RDWR);
    for (unsigned i = 0; i < server.peer_count; i++) {
        pthread_join(server.peers[i], NULL);
        close(server.fds[i]);
    }
    close(server.listener);
    free(server.heard);
    server.heard = NULL;
}

void be_honest(void)
{
    memset(&server, 0, sizeof server);
    pthread_mutex_init(&server.lock, NULL);
    add_greeting(&server.greeting, "mysql_native_password");
    ADD_PACKET(&server.login, 2, OK_PACKET);
    add_prepared(&server.prepare, TYPE_VARCHAR);
    add_text_result(&server.reply, 1, "42");
}

int set_up_fake_server(void **state)
{
    (void)state;
    the_pool = NULL;
    be_honest();
    return 0;
}

void end_it(void)
{
    if (the_pool)
        pool_end(the_pool, 0, NULL);
    the_pool = NULL;
    if (server.port)
        stop_fake_server();
    server.port = 0;
}

int tear_down_fake_server(void **state)
{
    (void)state;
    end_it();
    return 0;
}

/* The client */

struct pool_options victim(void)
{
    struct pool_options options = {
        .host = "127.0.0.1",
        .port = server.port,
        .user = "victim",
        .password = PASSWORD,
        .database = "mypool",
        .connection_limit = 1,
        .connect_timeout_ms = server.lets_nobody_in ? SOON_MS : GENEROUS_MS,
        .query_timeout_ms = server.has_no_end ? SOON_MS : GENEROUS_MS,
        .fail_fast_ms = 1,
    };
    return options;
}

static void assert_no_secret(const struct pool_error *err)
{
    assert_null(strstr(err->message, PASSWORD));
    assert_null(strstr(err->message, FILE_CONTENT));
    assert_false(was_heard(PASSWORD));
    assert_false(was_heard(FILE_CONTENT));
}

struct pool_result *ask_with(struct pool_options options, const char *sql, bool as_text,
                             struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .timeout_ms = 2 * GENEROUS_MS, .text = as_text};
    if (!server.port)
        start_fake_server();
    options.port = server.port;
    the_pool = pool_create(&options, err);
    if (!the_pool)
        fail_msg("%s", err->message);
    uint64_t begin = now_ms();
    struct pool_result *result = pool_query_with(the_pool, &request, err);
    if (now_ms() - begin > 2 * LATE_MS)
        fail_msg("the call took %lu ms", now_ms() - begin);
    assert_no_secret(err);
    return result;
}

struct pool_error fail_to_ask(bool as_text)
{
    struct pool_error err;
    struct pool_result *result = ask_with(victim(), "SELECT n FROM t", as_text, &err);
    if (result) {
        pool_result_free(result);
        fail_msg("the call should have failed");
    }
    return err;
}

void forget(struct bytes *bytes)
{
    bytes->len = 0;
}
