/*
 * From a name to a connection that is logged in: which address, for how long, and what the
 * server proves to be.
 *
 * libmariadb connects by itself, so the only thing to choose is what it is given and when its
 * wait is cut short (reach_ns of wait.h). A name with one address is given as it is. Of one
 * with several, each address is tried in turn: one that is silent has a head start of 250 ms
 * before the next and gets another turn, with twice the time, if nobody answers.
 *
 * For verified TLS libmariadb compares the certificate with the host that it was given. An
 * address is no name; so the name is put in the place of the address between the greeting
 * and the handshake, when libmariadb waits. If it could not be put there before the cipher
 * was chosen, then what was verified is the address, and the login is not used.
 *
 * The thread that owns the connection's slot runs it; there are no locks here.
 */
#include "conn/login.h"

#include "base/error.h"
#include "base/sync.h"
#include "conn/backlog.h"
#include "conn/client.h"
#include "conn/resolve.h"
#include "conn/verdict.h"

#include <mysql.h>
#include <stdlib.h>
#include <string.h>

/* A server that got the password in clear may say it back, into a log. Short passwords
 * are not looked for: they turn up as parts of ordinary words. */
static const char *text_without(const char *password, const char *text)
{
    if (strlen(password) < 8 || !strstr(text, password))
        return text;
    return "the server's message is not shown, for it contains the password";
}

static bool fail_connect(const struct pool__wait *wait, MYSQL *mysql, const char *password,
                         struct pool_error *err)
{
    struct pool__failure failure = {.timed_out = wait->timed_out,
                                    .cut = wait->cut,
                                    .number = mysql_errno(mysql),
                                    .text = mysql_error(mysql)};
    struct pool__verdict verdict = pool__verdict_of_connect(&failure);
    if (verdict.is_answer)
        pool__fail_lost(err, verdict.code, "connect: %s", text_without(password, verdict.text));
    else
        pool__fail_lost(err, verdict.code, "%s", verdict.text);
    if (err) {
        err->server_errno = verdict.number;
        memcpy(err->sqlstate, mysql_sqlstate(mysql), 5);
    }
    return false;
}

/* One try to connect to a host or address and to log in. */
struct attempt {
    struct pool__wait wait;
    struct pool__conn *conn;
    const char *host; /* a name or an address */
    const char *name; /* an address was given, but the certificate is that of this; or NULL */
    bool named;       /* libmariadb has been told the name */
};

/* Once the cipher is chosen the certificate may have been judged already. OpenSSL has that
 * word for none; another library's would be taken for a cipher. */
static bool is_before_handshake(MYSQL *mysql)
{
    const char *cipher = mysql_get_ssl_cipher(mysql);
    return !cipher || strcmp(cipher, "(NONE)") == 0;
}

/* libmariadb verifies the certificate against the host that it was given, of which it keeps
 * a copy when it has read the greeting. That is exchanged while the handshake waits. */
static void tell_name(struct pool__wait *wait)
{
    struct attempt *attempt = POOL__ENTRY(wait, struct attempt, wait);
    MYSQL *mysql = attempt->conn->mysql;
    if (!attempt->name || attempt->named || !mysql->host || !is_before_handshake(mysql))
        return;
    char *name = strdup(attempt->name);
    if (!name)
        return;
    free(mysql->host);
    mysql->host = name;
    attempt->named = true;
}

static bool try_login(struct attempt *attempt, const struct pool_credentials *credentials,
                      struct pool_error *err)
{
    struct pool__conn *conn = attempt->conn;
    struct pool__wait *wait = &attempt->wait;
    const struct pool_options *v = &conn->options->v;
    unsigned long flags = CLIENT_REMEMBER_OPTIONS;
    flags |= v->multi_statements ? CLIENT_MULTI_STATEMENTS : 0;
    flags |= v->use_affected_rows ? 0 : CLIENT_FOUND_ROWS;
    wait->connecting = true;
    wait->cut_fd = conn->cut_fd;
    wait->on_entry = tell_name;
    pool__wait_begin(wait, conn->options->v.tls != POOL_TLS_OFF);
    bool ok =
        (!v->socket || pool__backlog_wait(v->socket, wait)) &&
        mysql_real_connect(conn->mysql, attempt->host, credentials->user, credentials->password,
                           v->database, v->port, v->socket, flags) != NULL;
    if (!ok)
        fail_connect(wait, conn->mysql, credentials->password, err);
    pool__wait_end(wait);
    pool__close_fd(wait->kept_fd); /* nothing runs on the server before the login */
    return ok;
}

/* A handle that has been connected cannot connect again. */
static bool renew_handle(struct pool__conn *conn, struct pool_error *err)
{
    struct pool__wait wait = {.deadline_ns = 0, .cut_fd = -1}; /* never blocks */
    pool__client_forget_password(conn->mysql);
    MYSQL *fresh = mysql_init(NULL);
    if (!fresh)
        return pool__fail(err, POOL_ERR_NOMEM, "out of memory for a connection");
    pool__client_set_options(fresh, conn->options);
    pool__wait_begin(&wait, conn->options->v.tls != POOL_TLS_OFF);
    mysql_close(conn->mysql);
    pool__wait_end(&wait);
    pool__close_fd(wait.kept_fd);
    conn->mysql = fresh;
    return true;
}

#define NAME_TRIES 3

/* A server that is very near may have sent its greeting before it was waited for. Then
 * nobody has told the name, and what was verified is the address, which proves nothing if it
 * is right and nothing if it is wrong. In the end libmariadb is given the name itself. */
static bool try_address(struct attempt *attempt, const struct pool_credentials *credentials,
                        struct pool_error *err)
{
    const struct attempt before = *attempt;
    for (unsigned i = 0; attempt->name && i < NAME_TRIES; i++) {
        *attempt = before;
        bool ok = try_login(attempt, credentials, err);
        if (attempt->named || (!ok && err->code != POOL_ERR_TLS))
            return ok;
        if (ok && !renew_handle(attempt->conn, err))
            return false;
    }
    *attempt = before;
    attempt->host = before.name ? before.name : before.host;
    attempt->name = NULL;
    return try_login(attempt, credentials, err);
}

/* Nobody has answered there, so that another address may be tried. */
static bool may_go_on(const struct attempt *attempt)
{
    return !attempt->wait.cut && !attempt->wait.reading;
}

/* The limit for reaching it has passed: it may yet answer, if given more time. */
static bool was_silent(const struct attempt *attempt)
{
    return attempt->wait.kept_fd >= 0 && !attempt->wait.timed_out;
}

#define HEAD_START_NS (250 * POOL__NS_PER_MS) /* RFC 8305, the connection attempt delay */

/* How long one address of several may take to be reached: in the first round a head start,
 * and twice as long in each that follows, but never more than its share of what is left. */
static uint64_t reach_until(uint64_t deadline_ns, unsigned round, unsigned addresses)
{
    uint64_t now = pool__now_ns();
    uint64_t limit = HEAD_START_NS << (round < 16 ? round : 16);
    uint64_t share = deadline_ns > now ? (deadline_ns - now) / addresses : 0;
    return now + (share < limit ? share : limit);
}

/* Tries the addresses in turn, those that were silent again and again. One that is left
 * alone has all the time. */
static bool login_in_turn(struct pool__conn *conn, const struct pool_credentials *credentials,
                          struct pool__addresses *addresses, uint64_t deadline_ns,
                          struct pool_error *err)
{
    const char *name = conn->options->v.tls == POOL_TLS_VERIFY ? conn->options->v.host : NULL;
    for (unsigned round = 0; addresses->count > 0; round++) {
        unsigned silent = 0;
        for (unsigned i = 0; i < addresses->count; i++) {
            unsigned left = addresses->count - i + silent;
            struct attempt attempt = {.conn = conn, .host = addresses->text[i], .name = name};
            attempt.wait.deadline_ns = deadline_ns;
            attempt.wait.reach_ns = left > 1 ? reach_until(deadline_ns, round, left) : 0;
            if (try_address(&attempt, credentials, err))
                return true;
            if (!may_go_on(&attempt) || pool__now_ns() >= deadline_ns)
                return false;
            if (was_silent(&attempt) && silent++ < i)
                memcpy(addresses->text[silent - 1], addresses->text[i], sizeof addresses->text[i]);
        }
        addresses->count = silent;
    }
    return false;
}

/* Nothing is silent there, and everything is very near. */
static bool are_all_of_this_host(const struct pool__addresses *addresses)
{
    for (unsigned i = 0; i < addresses->count; i++)
        if (strcmp(addresses->text[i], "127.0.0.1") != 0 && strcmp(addresses->text[i], "::1") != 0)
            return false;
    return true;
}

/* libmariadb would try the addresses of a name itself, but the second one with a blocking
 * connect, which no deadline ends. So it gets one address after the other; except on this
 * host, if the name is to be verified. */
static bool login_by_name(struct pool__conn *conn, const struct pool_credentials *credentials,
                          uint64_t deadline_ns, struct pool_error *err)
{
    struct pool__addresses addresses;
    struct attempt only = {.conn = conn, .host = conn->options->v.host};
    only.wait.deadline_ns = deadline_ns;
    if (!pool__resolve(only.host, deadline_ns, conn->cut_fd, &addresses, err))
        return false;
    if (addresses.count > 1 &&
        !(conn->options->v.tls == POOL_TLS_VERIFY && are_all_of_this_host(&addresses)))
        return login_in_turn(conn, credentials, &addresses, deadline_ns, err);
    if (addresses.count > 1)
        only.wait.reach_ns = reach_until(deadline_ns, 0, addresses.count);
    return try_login(&only, credentials, err);
}

static bool login_by_socket(struct pool__conn *conn, const struct pool_credentials *credentials,
                            uint64_t deadline_ns, struct pool_error *err)
{
    struct attempt attempt = {.conn = conn, .host = "localhost"};
    attempt.wait.deadline_ns = deadline_ns;
    return try_login(&attempt, credentials, err);
}

bool pool__login(struct pool__conn *conn, const struct pool_credentials *credentials,
                 uint64_t deadline_ns, struct pool_error *err)
{
    return conn->options->v.socket ? login_by_socket(conn, credentials, deadline_ns, err)
                                   : login_by_name(conn, credentials, deadline_ns, err);
}
