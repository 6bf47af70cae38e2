/*
 * What the pool does with a server that lies.
 *
 * The server is a script on a thread of this program: it knows just enough of the
 * protocol to let a client log in and set its session up, and sends prepared bytes at
 * one point: as the greeting, as the answer to the login, to a prepare or to a
 * statement. It keeps everything that clients send, so that a test can look for what
 * must never leave: the password and the content of a file.
 *
 * Nothing here needs a real server. What must happen is always the same: no crash, an
 * error in time, a connection that nobody gets again, and no secret in any message.
 */
#include <errno.h>
#include <mypool.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

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

static struct server {
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
} server;

static struct pool *the_pool;

/* Packets */

static void put(struct bytes *bytes, const void *data, size_t len)
{
    if (bytes->len + len > sizeof bytes->data)
        abort();
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
}

static void put_byte(struct bytes *bytes, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    put(bytes, &byte, 1);
}

static void put_header(struct bytes *bytes, size_t len, unsigned sequence)
{
    put_byte(bytes, len & 0xff);
    put_byte(bytes, len >> 8 & 0xff);
    put_byte(bytes, len >> 16 & 0xff);
    put_byte(bytes, sequence);
}

static void put_packet(struct bytes *bytes, unsigned sequence, const void *data, size_t len)
{
    put_header(bytes, len, sequence);
    put(bytes, data, len);
}

#define PUT_PACKET(bytes, sequence, literal)                                                       \
    put_packet(bytes, sequence, literal, sizeof(literal) - 1)

#define OK_PACKET "\0\0\0\2\0\0\0"
#define EOF_PACKET "\xfe\0\0\2\0"
#define EOF_WITH_MORE "\xfe\0\0\x0a\0"

static void put_text(struct bytes *bytes, const char *text)
{
    put_byte(bytes, (unsigned)strlen(text));
    put(bytes, text, strlen(text));
}

static void put_column(struct bytes *bytes, unsigned sequence, const char *name, unsigned type)
{
    struct bytes column = {.len = 0};
    put_text(&column, "def");
    put_text(&column, "");
    put_text(&column, "");
    put_text(&column, "");
    put_text(&column, name);
    put_text(&column, "");
    put(&column, "\x0c\x2d\0\xff\0\0\0", 7);
    put_byte(&column, type);
    put(&column, "\0\0\0\0\0", 5);
    put_packet(bytes, sequence, column.data, column.len);
}

/* The beginning of a result of one column. */
static void put_columns(struct bytes *bytes, unsigned type)
{
    PUT_PACKET(bytes, 1, "\1");
    put_column(bytes, 2, "n", type);
    PUT_PACKET(bytes, 3, EOF_PACKET);
}

#define TYPE_LONG 3
#define TYPE_LONGLONG 8
#define TYPE_DATETIME 12
#define TYPE_VARCHAR 253

static void put_text_result(struct bytes *bytes, unsigned columns, const char *value)
{
    struct bytes row = {.len = 0};
    uint8_t count = (uint8_t)columns;
    put_packet(bytes, 1, &count, 1);
    for (unsigned i = 0; i < columns; i++) {
        put_column(bytes, 2 + i, "n", TYPE_VARCHAR);
        put_text(&row, value);
    }
    PUT_PACKET(bytes, 2 + columns, EOF_PACKET);
    put_packet(bytes, 3 + columns, row.data, row.len);
    PUT_PACKET(bytes, 4 + columns, EOF_PACKET);
}

static void put_error(struct bytes *bytes, unsigned sequence, unsigned code, const char *text)
{
    struct bytes packet = {.len = 0};
    put_byte(&packet, 0xff);
    put_byte(&packet, code & 0xff);
    put_byte(&packet, code >> 8);
    put(&packet, "#HY000", 6);
    put(&packet, text, strlen(text));
    put_packet(bytes, sequence, packet.data, packet.len);
}

static void put_switch(struct bytes *bytes, unsigned sequence, const char *plugin)
{
    struct bytes packet = {.len = 0};
    put_byte(&packet, 0xfe);
    put(&packet, plugin, strlen(plugin) + 1);
    put(&packet, "abcdefghijklmnopqrst", 21);
    put_packet(bytes, sequence, packet.data, packet.len);
}

#define CAPABILITIES 0x009ea68fu /* those of a server of today, without TLS and compression */

static void make_greeting(struct bytes *payload, const char *plugin)
{
    unsigned caps = CAPABILITIES & ~(unsigned)server.caches_columns;
    put_byte(payload, 10);
    put(payload, "5.5.5-10.11.19-MariaDB", 23);
    put(payload, "\7\0\0\0abcdefgh", 13);
    put_byte(payload, caps & 0xff);
    put_byte(payload, caps >> 8 & 0xff);
    put(payload, "\x2d\2\0", 3);
    put_byte(payload, caps >> 16 & 0xff);
    put_byte(payload, caps >> 24);
    put(payload, "\x15\0\0\0\0\0\0", 7);
    put_byte(payload, server.caches_columns ? 0x10 : 0);
    put(payload, "\0\0\0ijklmnopqrst", 16);
    put(payload, plugin, strlen(plugin) + 1);
}

static void put_greeting(struct bytes *bytes, const char *plugin)
{
    struct bytes payload = {.len = 0};
    make_greeting(&payload, plugin);
    put_packet(bytes, 0, payload.data, payload.len);
}

/* A prepared statement without values and with one column. */
static void put_prepared(struct bytes *bytes, unsigned type)
{
    PUT_PACKET(bytes, 1, "\0\1\0\0\0\1\0\0\0\0\0\0");
    put_column(bytes, 2, "n", type);
    PUT_PACKET(bytes, 3, EOF_PACKET);
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

static bool was_heard(const char *what)
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
        put_text_result(&bytes, columns, "1000000");
    } else if (strncmp(sql, "SET ", 4) == 0) {
        if (server.sets_nothing_up)
            return true;
        PUT_PACKET(&bytes, 1, OK_PACKET);
    } else if (strncmp(sql, "KILL ", 5) == 0) {
        put_error(&bytes, 1, 1094, "Unknown thread id");
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
    default: PUT_PACKET(&bytes, 1, OK_PACKET); return say_bytes(fd, &bytes);
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

static void start_server(void)
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

static void stop_server(void)
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

/* A server that does nothing wrong until a test changes the script. */
static void be_honest(void)
{
    memset(&server, 0, sizeof server);
    pthread_mutex_init(&server.lock, NULL);
    put_greeting(&server.greeting, "mysql_native_password");
    PUT_PACKET(&server.login, 2, OK_PACKET);
    put_prepared(&server.prepare, TYPE_VARCHAR);
    put_text_result(&server.reply, 1, "42");
}

static int set_up(void **state)
{
    (void)state;
    the_pool = NULL;
    be_honest();
    return 0;
}

static void end_it(void)
{
    if (the_pool)
        pool_end(the_pool, 0, NULL);
    the_pool = NULL;
    if (server.port)
        stop_server();
    server.port = 0;
}

static int tear_down(void **state)
{
    (void)state;
    end_it();
    return 0;
}

/* The client */

static struct pool_options victim(void)
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

/* Starts the script and a pool, and asks `sql`. */
static struct pool_result *ask_with(struct pool_options options, const char *sql, unsigned flags,
                                    struct pool_error *err)
{
    struct pool_request request = {.sql = sql, .timeout_ms = 2 * GENEROUS_MS, .flags = flags};
    if (!server.port)
        start_server();
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

static struct pool_error fail_to_ask(unsigned flags)
{
    struct pool_error err;
    struct pool_result *result = ask_with(victim(), "SELECT n FROM t", flags, &err);
    if (result) {
        pool_result_free(result);
        fail_msg("the call should have failed");
    }
    return err;
}

static void assert_connect_fails(enum pool_code code)
{
    struct pool_error err = fail_to_ask(POOL_TEXT);
    struct pool_stats stats;
    pool_stats(the_pool, &stats);
    if (err.code != code)
        fail_msg("%s (%u): %s", pool_code_name(err.code), err.server_errno, err.message);
    assert_int_equal(stats.opened, 0);
    assert_true(err.not_executed);
}

/* What exactly is wrong with nonsense is a matter of taste. */
static void assert_login_fails(void)
{
    struct pool_error err = fail_to_ask(POOL_TEXT);
    struct pool_stats stats;
    pool_stats(the_pool, &stats);
    assert_true(err.code == POOL_ERR_CONNECT || err.code == POOL_ERR_AUTH);
    assert_int_equal(stats.opened, 0);
}

/* The reply is refused, and so is the connection. */
static void assert_reply_refused(unsigned flags)
{
    struct pool_error err = fail_to_ask(flags);
    struct pool_stats stats;
    uint64_t end = now_ms() + LATE_MS;
    assert_true(err.fatal);
    assert_false(err.not_executed);
    do {
        pause_ms(1);
        pool_stats(the_pool, &stats);
    } while (stats.closed != stats.opened && now_ms() < end);
    assert_int_equal(stats.closed, stats.opened);
}

static void forget(struct bytes *bytes)
{
    bytes->len = 0;
}

/* The scripted server is a server */

static void an_honest_server_is_understood(void **state)
{
    struct pool_error err;
    (void)state;
    struct pool_result *rows = ask_with(victim(), "SELECT n FROM t", POOL_TEXT, &err);
    if (!rows)
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
    assert_true(pool_next(rows));
    assert_int_equal(pool_get_int(rows, 0), 42);
    assert_false(pool_next(rows));
    pool_result_free(rows);
    assert_true(was_heard("victim"));
}

static void an_honest_server_is_understood_with_a_prepared_statement(void **state)
{
    struct pool_error err;
    (void)state;
    forget(&server.reply);
    put_columns(&server.reply, TYPE_VARCHAR);
    PUT_PACKET(&server.reply, 4,
               "\0\0\2"
               "42");
    PUT_PACKET(&server.reply, 5, EOF_PACKET);
    struct pool_result *rows = ask_with(victim(), "SELECT n FROM t", 0, &err);
    if (!rows)
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
    assert_true(pool_next(rows));
    assert_int_equal(pool_get_int(rows, 0), 42);
    pool_result_free(rows);
}

/* Greetings */

static void a_greeting_of_noise_is_refused(void **state)
{
    (void)state;
    forget(&server.greeting);
    PUT_PACKET(&server.greeting, 0, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2\r\n");
    assert_login_fails();
}

static void a_missing_greeting_is_refused(void **state)
{
    (void)state;
    server.lets_nobody_in = true;
    forget(&server.greeting);
    assert_connect_fails(POOL_ERR_CONNECT);
}

static void an_empty_greeting_is_refused(void **state)
{
    (void)state;
    forget(&server.greeting);
    PUT_PACKET(&server.greeting, 0, "");
    assert_connect_fails(POOL_ERR_CONNECT);
}

static void an_endless_greeting_is_refused(void **state)
{
    struct rusage before, after;
    (void)state;
    forget(&server.greeting);
    put_header(&server.greeting, 0xffffff, 0);
    while (server.greeting.len < sizeof server.greeting.data)
        put_byte(&server.greeting, 0xff);
    server.greeting_repeats = true;
    getrusage(RUSAGE_SELF, &before);
    struct pool_error err = fail_to_ask(POOL_TEXT);
    getrusage(RUSAGE_SELF, &after);
    assert_true(err.code == POOL_ERR_CONNECT || err.code == POOL_ERR_TOO_BIG);
    assert_true(after.ru_maxrss - before.ru_maxrss < 512 * 1024); /* KiB */
}

static void a_greeting_byte_by_byte_ends_at_the_deadline(void **state)
{
    (void)state;
    server.lets_nobody_in = true;
    server.greeting_byte_ms = 50;
    uint64_t begin = now_ms();
    assert_connect_fails(POOL_ERR_CONNECT);
    assert_in_range(now_ms() - begin, SOON_MS - 1, LATE_MS);
}

/* Nothing of the program's can be running there, so nothing has to be killed. */
static void a_login_without_a_set_up_frees_its_place_as_soon_as_the_server_lets_go(void **state)
{
    struct pool_stats stats;
    (void)state;
    server.lets_nobody_in = server.sets_nothing_up = true;
    struct pool_error err = fail_to_ask(POOL_TEXT);
    assert_int_equal(err.code, POOL_ERR_CONNECT);
    assert_non_null(strstr(err.message, "set-up"));
    assert_within(GENEROUS_MS,
                  (pool_stats(the_pool, &stats), stats.closing + stats.connecting == 0));
    assert_int_equal(stats.kills, 0);
}

static void a_refusal_instead_of_a_greeting_is_passed_on(void **state)
{
    (void)state;
    forget(&server.greeting);
    PUT_PACKET(&server.greeting, 0, "\xff\x69\x04Host is blocked");
    struct pool_error err = fail_to_ask(POOL_TEXT);
    assert_int_equal(err.code, POOL_ERR_CONNECT);
    assert_int_equal(err.server_errno, 1129);
}

static void truncated_greetings_are_refused(void **state)
{
    struct bytes whole = {.len = 0};
    (void)state;
    make_greeting(&whole, "mysql_native_password");
    for (size_t len = 1; len < 60; len++) {
        be_honest();
        forget(&server.greeting);
        put_packet(&server.greeting, 0, whole.data, len);
        struct pool_error err;
        struct pool_options options = victim();
        options.connect_timeout_ms = 100;
        pool_result_free(ask_with(options, "SELECT n FROM t", POOL_TEXT, &err));
        end_it();
    }
}

/* Authentication */

static void assert_switch_refused(const char *plugin)
{
    forget(&server.login);
    put_switch(&server.login, 2, plugin);
    PUT_PACKET(&server.login, 4, OK_PACKET);
    assert_connect_fails(POOL_ERR_AUTH);
}

static void a_switch_to_clear_text_is_refused(void **state)
{
    (void)state;
    assert_switch_refused("mysql_clear_password");
}

static void a_switch_to_a_dialog_is_refused(void **state)
{
    (void)state;
    assert_switch_refused("dialog");
}

static void a_switch_to_the_old_method_is_refused(void **state)
{
    (void)state;
    assert_switch_refused("mysql_old_password");
}

static void a_switch_to_sha256_is_refused_without_tls(void **state)
{
    (void)state;
    assert_switch_refused("sha256_password");
}

static void a_switch_to_caching_sha2_is_refused_without_tls(void **state)
{
    (void)state;
    assert_switch_refused("caching_sha2_password");
}

static void a_switch_to_an_unknown_method_is_refused(void **state)
{
    (void)state;
    assert_switch_refused("no_such_method");
}

static void a_switch_to_a_path_is_refused(void **state)
{
    (void)state;
    assert_switch_refused("../../../tmp/evil");
}

static void a_switch_to_part_of_an_allowed_name_is_refused(void **state)
{
    (void)state;
    forget(&server.login);
    put_switch(&server.login, 2, "password");
    PUT_PACKET(&server.login, 4, OK_PACKET);
    assert_login_fails();
}

static void a_switch_to_no_name_is_refused(void **state)
{
    (void)state;
    forget(&server.login);
    PUT_PACKET(&server.login, 2, "\xfe");
    assert_login_fails();
}

static void a_greeting_that_wants_clear_text_gets_none(void **state)
{
    struct pool_error err;
    (void)state;
    forget(&server.greeting);
    put_greeting(&server.greeting, "mysql_clear_password");
    pool_result_free(ask_with(victim(), "SELECT n FROM t", POOL_TEXT, &err));
}

static void endless_switches_end_at_the_deadline(void **state)
{
    (void)state;
    server.lets_nobody_in = true;
    forget(&server.login);
    put_switch(&server.login, 2, "mysql_native_password");
    server.login_repeats = true;
    struct pool_error err = fail_to_ask(POOL_TEXT);
    assert_true(err.code == POOL_ERR_AUTH || err.code == POOL_ERR_CONNECT ||
                err.code == POOL_ERR_TIMEOUT); /* of the login, or of the call that waits for it */
}

static void a_refused_password_is_not_repeated_in_the_message(void **state)
{
    (void)state;
    forget(&server.login);
    put_error(&server.login, 2, 1045, "Access denied for user 'victim'");
    struct pool_error err = fail_to_ask(POOL_TEXT);
    assert_int_equal(err.code, POOL_ERR_AUTH);
    assert_int_equal(err.server_errno, 1045);
}

static void a_server_that_hides_its_tls_gets_nothing(void **state)
{
    struct pool_options options = victim();
    struct pool_error err;
    (void)state;
    options.tls = POOL_TLS_VERIFY;
    assert_null(ask_with(options, "SELECT n FROM t", POOL_TEXT, &err));
    assert_int_equal(err.code, POOL_ERR_TLS);
    assert_false(was_heard("victim"));
    assert_int_equal(server.heard_len, 0);
}

/* Requests for files */

static void ask_for_file(char ret_path[64])
{
    strcpy(ret_path, "/tmp/test_hostile.XXXXXX");
    int fd = mkstemp(ret_path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, FILE_CONTENT, strlen(FILE_CONTENT)), strlen(FILE_CONTENT));
    close(fd);
    struct bytes request = {.len = 0};
    put_byte(&request, 0xfb);
    put(&request, ret_path, strlen(ret_path));
    forget(&server.reply);
    put_packet(&server.reply, 1, request.data, request.len);
    PUT_PACKET(&server.reply, 3, OK_PACKET);
}

static void assert_no_file_for(const char *sql, unsigned flags)
{
    struct pool_error err;
    char path[64];
    ask_for_file(path);
    struct pool_result *result = ask_with(victim(), sql, flags, &err);
    unlink(path);
    assert_false(was_heard(FILE_CONTENT));
    assert_null(result);
    assert_true(err.fatal);
}

static void no_file_is_sent_in_answer_to_a_statement(void **state)
{
    (void)state;
    assert_no_file_for("SELECT n FROM t", POOL_TEXT);
}

static void no_file_is_sent_in_answer_to_a_prepared_statement(void **state)
{
    (void)state;
    assert_no_file_for("SELECT n FROM t", 0);
}

static void no_file_is_sent_even_if_the_program_asks_for_one(void **state)
{
    (void)state;
    assert_no_file_for("LOAD DATA LOCAL INFILE '/tmp/another' INTO TABLE t", POOL_TEXT);
}

/* Replies */

static void truncated_ok_packets_do_no_harm(void **state)
{
    static const char ok[] = "\0\xfc\1\0\xfd\1\0\0\2\x40\0\0\3abc\x05\1\3xyz";
    struct pool_error err;
    (void)state;
    for (size_t len = 1; len < sizeof ok; len++) {
        be_honest();
        forget(&server.reply);
        put_packet(&server.reply, 1, ok, len);
        pool_result_free(ask_with(victim(), "DELETE FROM t", POOL_TEXT, &err));
        end_it();
    }
}

static void truncated_error_packets_are_errors(void **state)
{
    static const char error[] = "\xff\x50\x04#42000";
    (void)state;
    for (size_t len = 1; len < sizeof error; len++) {
        be_honest();
        forget(&server.reply);
        put_packet(&server.reply, 1, error, len);
        struct pool_error err = fail_to_ask(POOL_TEXT);
        assert_int_not_equal(err.code, POOL_OK);
        end_it();
    }
}

static void an_empty_reply_is_refused(void **state)
{
    (void)state;
    forget(&server.reply);
    PUT_PACKET(&server.reply, 1, "");
    assert_reply_refused(POOL_TEXT);
}

static void a_huge_column_count_is_refused(void **state)
{
    (void)state;
    server.has_no_end = true;
    forget(&server.reply);
    PUT_PACKET(&server.reply, 1, "\xfe\xff\xff\xff\xff\xff\xff\xff\x7f");
    assert_reply_refused(POOL_TEXT);
}

static void a_column_count_without_columns_ends_at_the_deadline(void **state)
{
    (void)state;
    server.has_no_end = true;
    forget(&server.reply);
    PUT_PACKET(&server.reply, 1, "\xfd\xff\xff\x0f");
    assert_reply_refused(POOL_TEXT);
}

static void a_column_whose_parts_are_too_long_is_refused(void **state)
{
    (void)state;
    forget(&server.reply);
    PUT_PACKET(&server.reply, 1, "\1");
    PUT_PACKET(&server.reply, 2, "\3def\0\0\0\xfd\xff\xff\xff");
    PUT_PACKET(&server.reply, 3, EOF_PACKET);
    assert_reply_refused(POOL_TEXT);
}

static void assert_row_refused(const char *row, size_t len, unsigned type, unsigned flags)
{
    forget(&server.reply);
    put_columns(&server.reply, type);
    put_packet(&server.reply, 4, row, len);
    PUT_PACKET(&server.reply, 5, EOF_PACKET);
    forget(&server.prepare);
    put_prepared(&server.prepare, type);
    assert_reply_refused(flags);
}

static void a_text_value_longer_than_its_packet_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\x7f"
                       "short",
                       6, TYPE_VARCHAR, POOL_TEXT);
}

static void a_text_value_with_an_immense_length_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\xfe\xff\xff\xff\xff\xff\xff\xff\xff"
                       "x",
                       10, TYPE_VARCHAR, POOL_TEXT);
}

static void a_text_row_that_goes_on_after_its_last_value_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\1x"
                       "more",
                       6, TYPE_VARCHAR, POOL_TEXT);
}

static void a_binary_value_longer_than_its_packet_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\0\0\x7f"
                       "short",
                       8, TYPE_VARCHAR, 0);
}

static void a_binary_row_that_is_too_short_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\0\0\1\2\3", 5, TYPE_LONGLONG, 0);
}

static void a_binary_row_without_its_null_bits_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\0", 1, TYPE_LONG, 0);
}

static void a_binary_date_of_odd_length_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\0\0\5\1\2\3\4\5", 8, TYPE_DATETIME, 0);
}

static void a_column_of_unknown_type_is_refused(void **state)
{
    (void)state;
    assert_row_refused("\0\0\1\2\3\4", 6, 0x50, 0);
}

static void a_prepare_that_counts_other_values_is_refused(void **state)
{
    (void)state;
    server.has_no_end = true;
    forget(&server.prepare);
    PUT_PACKET(&server.prepare, 1, "\0\1\0\0\0\0\0\xff\xff\0\0\0");
    struct pool_error err = fail_to_ask(0);
    assert_int_not_equal(err.code, POOL_OK);
}

/* A server that leaves out columns that the client knows: a first statement has one column, a
 * second one says `count` and describes none. */
static struct pool_result *ask_again_without_columns(const char *count, size_t len,
                                                     struct pool_error *err)
{
    server.caches_columns = true;
    forget(&server.greeting);
    put_greeting(&server.greeting, "mysql_native_password");
    forget(&server.reply);
    put_columns(&server.reply, TYPE_VARCHAR);
    PUT_PACKET(&server.reply, 4,
               "\0\0\2"
               "42");
    PUT_PACKET(&server.reply, 5, EOF_PACKET);
    put_packet(&server.later, 1, count, len);
    PUT_PACKET(&server.later, 2, EOF_PACKET);
    PUT_PACKET(&server.later, 3,
               "\0\0\2"
               "43");
    PUT_PACKET(&server.later, 4, EOF_PACKET);
    pool_result_free(ask_with(victim(), "SELECT n FROM t", 0, err));
    assert_int_equal(err->code, POOL_OK);
    return pool_query(the_pool, "SELECT n FROM t", POOL_NO_ARGS, err);
}

static void columns_that_are_known_may_be_left_out(void **state)
{
    struct pool_error err;
    (void)state;
    struct pool_result *rows = ask_again_without_columns("\1\0", 2, &err);
    if (!rows)
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
    assert_true(pool_next(rows));
    assert_int_equal(pool_get_int(rows, 0), 43);
    assert_string_equal(pool_column_name(rows, 0), "n");
    pool_result_free(rows);
}

static void more_columns_than_are_known_cannot_be_left_out(void **state)
{
    struct pool_error err;
    (void)state;
    assert_null(ask_again_without_columns("\xfc\x2c\1\0", 4, &err));
    assert_int_equal(err.code, POOL_ERR_LOST);
    assert_true(err.fatal);
    assert_false(err.not_executed);
}

static void a_prepare_with_columns_that_never_come_ends_at_the_deadline(void **state)
{
    (void)state;
    server.has_no_end = true;
    forget(&server.prepare);
    PUT_PACKET(&server.prepare, 1, "\0\1\0\0\0\xff\xff\0\0\0\0\0");
    assert_reply_refused(0);
}

/* Without end */

static void put_endless_rows(void)
{
    static char row[1000];
    memset(row, 'x', sizeof row);
    row[0] = (char)0xfc;
    row[1] = (char)((sizeof row - 3) & 0xff);
    row[2] = (char)((sizeof row - 3) >> 8);
    forget(&server.reply);
    put_columns(&server.reply, TYPE_VARCHAR);
    server.repeat_from = server.reply.len;
    for (int i = 0; i < 14; i++)
        put_packet(&server.reply, 4, row, sizeof row);
}

static void endless_rows_end_at_the_limit_of_memory(void **state)
{
    struct pool_options options = victim();
    struct pool_error err;
    (void)state;
    put_endless_rows();
    options.max_result_bytes = 1 << 20;
    assert_null(ask_with(options, "SELECT n FROM t", POOL_TEXT, &err));
    assert_int_equal(err.code, POOL_ERR_TOO_BIG);
    assert_true(err.fatal);
}

static bool count_row(struct pool_result *row, void *arg)
{
    (void)row;
    ++*(uint64_t *)arg;
    return true;
}

static void endless_rows_end_at_the_deadline_of_a_stream(void **state)
{
    struct pool_options options = victim();
    struct pool_error err;
    uint64_t rows = 0;
    (void)state;
    put_endless_rows();
    start_server();
    options.port = server.port;
    options.query_timeout_ms = 500;
    options.no_prepare = true;
    the_pool = pool_create(&options, &err);
    uint64_t begin = now_ms();
    alarm(60); /* there is no other way out */
    assert_false(pool_stream(the_pool, "SELECT n FROM t", POOL_NO_ARGS, count_row, &rows, &err));
    alarm(0);
    print_message("           %lu rows in %lu ms of 500\n", rows, now_ms() - begin);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
    assert_in_range(now_ms() - begin, 499, LATE_MS);
}

/* The next row is always there already, so nobody ever waits for one. */
static bool read_slowly(struct pool_result *row, void *arg)
{
    (void)row;
    pause_ms(1);
    return ++*(uint64_t *)arg < 5000;
}

static void endless_rows_that_are_read_slowly_end_at_the_deadline(void **state)
{
    struct pool_options options = victim();
    struct pool_error err;
    uint64_t rows = 0;
    (void)state;
    put_endless_rows();
    start_server();
    options.port = server.port;
    options.query_timeout_ms = 300;
    options.no_prepare = true;
    the_pool = pool_create(&options, &err);
    uint64_t begin = now_ms();
    bool ok = pool_stream(the_pool, "SELECT n FROM t", POOL_NO_ARGS, read_slowly, &rows, &err);
    print_message("           %lu rows in %lu ms of 300\n", rows, now_ms() - begin);
    assert_false(ok);
    assert_int_equal(err.code, POOL_ERR_QUERY_TIMEOUT);
}

static void endless_result_sets_end_at_a_limit(void **state)
{
    struct pool_options options = victim();
    struct pool_error err;
    (void)state;
    forget(&server.reply);
    put_columns(&server.reply, TYPE_VARCHAR);
    PUT_PACKET(&server.reply, 4, EOF_WITH_MORE);
    server.repeat_from = server.reply.len;
    put_columns(&server.reply, TYPE_VARCHAR);
    PUT_PACKET(&server.reply, 4, EOF_WITH_MORE);
    options.max_result_bytes = 8 << 20;
    alarm(60);
    assert_null(ask_with(options, "SELECT n FROM t", POOL_TEXT, &err));
    alarm(0);
    assert_true(err.code == POOL_ERR_TOO_BIG || err.code == POOL_ERR_QUERY_TIMEOUT);
}

static void endless_packets_end_at_the_limit_of_a_packet(void **state)
{
    struct pool_options options = victim();
    struct pool_error err;
    (void)state;
    forget(&server.reply);
    put_columns(&server.reply, TYPE_VARCHAR);
    put_header(&server.reply, 0xffffff, 4);
    server.repeat_from = server.reply.len;
    while (server.reply.len < sizeof server.reply.data)
        put_byte(&server.reply, 0xff); /* is a header of 0xffffff bytes wherever one is read */
    options.max_packet_bytes = 1 << 20;
    assert_null(ask_with(options, "SELECT n FROM t", POOL_TEXT, &err));
    assert_true(err.code == POOL_ERR_TOO_BIG || err.code == POOL_ERR_LOST);
    assert_true(err.fatal);
}

static void endless_progress_reports_end_at_the_deadline(void **state)
{
    (void)state;
    server.has_no_end = true;
    forget(&server.reply);
    PUT_PACKET(&server.reply, 1, OK_PACKET);
    forget(&server.reply);
    PUT_PACKET(&server.reply, 1, "\xff\xff\xff\1\1\2\0\0\0\4abcd");
    server.repeat_from = server.reply.len;
    PUT_PACKET(&server.reply, 1, "\xff\xff\xff\1\1\2\0\0\0\4abcd");
    alarm(60);
    struct pool_error err = fail_to_ask(POOL_TEXT);
    alarm(0);
    assert_int_not_equal(err.code, POOL_OK);
}

static void the_end_does_not_listen_to_who_talks_after_the_goodbye(void **state)
{
    struct pool_error err;
    (void)state;
    server.says_more_after_quit = true;
    pool_result_free(ask_with(victim(), "SELECT n FROM t", POOL_TEXT, &err));
    assert_int_equal(err.code, POOL_OK);
    uint64_t begin = now_ms();
    pool_end(the_pool, 100, NULL);
    the_pool = NULL;
    assert_true(now_ms() - begin < 100 + LATE_MS);
}

/* Noise: each reply with a few bytes changed, always the same ones. */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void mutate(struct bytes *bytes, uint32_t seed)
{
    uint32_t random = seed;
    for (unsigned i = 0; i <= seed % 3; i++) {
        uint32_t place = next_random(&random) % (uint32_t)bytes->len;
        bytes->data[place] = (uint8_t)next_random(&random);
    }
}

static void read_everything(struct pool_result *result)
{
    do
        while (pool_next(result))
            for (unsigned column = 0; column < pool_column_count(result); column++) {
                pool_get_text(result, column);
                pool_get_double(result, column);
            }
    while (pool_next_set(result));
}

static void assert_noise_does_no_harm(unsigned flags)
{
    struct pool_options options = victim();
    struct pool_error err;
    options.query_timeout_ms = 60; /* a changed length makes the reader wait for more */
    for (uint32_t seed = 1; seed <= MUTATIONS; seed++) {
        be_honest();
        if (!flags) {
            forget(&server.reply);
            put_columns(&server.reply, TYPE_VARCHAR);
            PUT_PACKET(&server.reply, 4,
                       "\0\0\2"
                       "42");
            PUT_PACKET(&server.reply, 5, EOF_PACKET);
        }
        mutate(!flags && seed % 4 == 0 ? &server.prepare : &server.reply, seed);
        struct pool_result *result = ask_with(options, "SELECT n FROM t", flags, &err);
        if (result)
            read_everything(result);
        pool_result_free(result);
        end_it();
    }
}

static void noise_in_a_text_reply_does_no_harm(void **state)
{
    (void)state;
    assert_noise_does_no_harm(POOL_TEXT);
}

static void noise_in_a_prepared_reply_does_no_harm(void **state)
{
    (void)state;
    assert_noise_does_no_harm(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(an_honest_server_is_understood),
        TEST(an_honest_server_is_understood_with_a_prepared_statement),
        TEST(a_greeting_of_noise_is_refused),
        TEST(a_missing_greeting_is_refused),
        TEST(an_empty_greeting_is_refused),
        TEST(an_endless_greeting_is_refused),
        TEST(a_greeting_byte_by_byte_ends_at_the_deadline),
        TEST(a_login_without_a_set_up_frees_its_place_as_soon_as_the_server_lets_go),
        TEST(a_refusal_instead_of_a_greeting_is_passed_on),
        TEST(truncated_greetings_are_refused),
        TEST(a_switch_to_clear_text_is_refused),
        TEST(a_switch_to_a_dialog_is_refused),
        TEST(a_switch_to_the_old_method_is_refused),
        TEST(a_switch_to_sha256_is_refused_without_tls),
        TEST(a_switch_to_caching_sha2_is_refused_without_tls),
        TEST(a_switch_to_an_unknown_method_is_refused),
        TEST(a_switch_to_a_path_is_refused),
        TEST(a_switch_to_part_of_an_allowed_name_is_refused),
        TEST(a_switch_to_no_name_is_refused),
        TEST(a_greeting_that_wants_clear_text_gets_none),
        TEST(endless_switches_end_at_the_deadline),
        TEST(a_refused_password_is_not_repeated_in_the_message),
        TEST(a_server_that_hides_its_tls_gets_nothing),
        TEST(no_file_is_sent_in_answer_to_a_statement),
        TEST(no_file_is_sent_in_answer_to_a_prepared_statement),
        TEST(no_file_is_sent_even_if_the_program_asks_for_one),
        TEST(truncated_ok_packets_do_no_harm),
        TEST(truncated_error_packets_are_errors),
        TEST(an_empty_reply_is_refused),
        TEST(a_huge_column_count_is_refused),
        TEST(a_column_count_without_columns_ends_at_the_deadline),
        TEST(a_column_whose_parts_are_too_long_is_refused),
        TEST(a_text_value_longer_than_its_packet_is_refused),
        TEST(a_text_value_with_an_immense_length_is_refused),
        TEST(a_text_row_that_goes_on_after_its_last_value_is_refused),
        TEST(a_binary_value_longer_than_its_packet_is_refused),
        TEST(a_binary_row_that_is_too_short_is_refused),
        TEST(a_binary_row_without_its_null_bits_is_refused),
        TEST(a_binary_date_of_odd_length_is_refused),
        TEST(a_column_of_unknown_type_is_refused),
        TEST(a_prepare_that_counts_other_values_is_refused),
        TEST(more_columns_than_are_known_cannot_be_left_out),
        TEST(columns_that_are_known_may_be_left_out),
        TEST(a_prepare_with_columns_that_never_come_ends_at_the_deadline),
        TEST(endless_rows_end_at_the_limit_of_memory),
        TEST(endless_rows_end_at_the_deadline_of_a_stream),
        TEST(endless_rows_that_are_read_slowly_end_at_the_deadline),
        TEST(endless_result_sets_end_at_a_limit),
        TEST(endless_packets_end_at_the_limit_of_a_packet),
        TEST(endless_progress_reports_end_at_the_deadline),
        TEST(the_end_does_not_listen_to_who_talks_after_the_goodbye),
        TEST(noise_in_a_text_reply_does_no_harm),
        TEST(noise_in_a_prepared_reply_does_no_harm),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
