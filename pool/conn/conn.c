/*
 * The life of one connection: connect, prove TLS, ping it, close it; what its session is
 * made into is in session.c. Written in blocking style; every wait goes through
 * pool__wait_hook and therefore ends at the caller's deadline. The thread that owns
 * the connection's slot runs it; there are no locks here.
 *
 * libmariadb's options are a trap of their own (see docs/design.md): the host is
 * validated before it gets here, the allow-list of authentication plugins is always
 * set, TLS counts as on only with verification or with proof after the connect.
 *
 * libmariadb keeps the password for reconnects, which are off. Here it is overwritten
 * as soon as the login has succeeded. A login that fails frees its copy before anybody
 * can get at it.
 *
 * A program may close a descriptor that is not its own, and its number then goes to the
 * next file or socket that is opened. So a connection remembers the identity of its
 * socket, which is compared before the end of the connection and, after a silence, before
 * its next use: neither a byte nor a close must hit a stranger.
 */
#include "conn/conn.h"

#include "base/error.h"
#include "base/sync.h"
#include "conn/login.h"
#include "conn/session.h"
#include "conn/tcp.h"
#include "core/classify.h"
#include "sql/hash.h"

#include <errmsg.h>
#include <ma_pvio.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void pool__conn_enter(struct pool__conn *conn, struct pool__wait *wait, uint64_t deadline_ns)
{
    wait->deadline_ns = deadline_ns;
    wait->cut_fd = conn->cut_fd;
    wait->connecting = false;
    wait->unheard_ms = conn->unheard_ms;
    pool__wait_begin(wait, conn->tls);
}

void pool__close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void pool__conn_leave(struct pool__conn *conn, struct pool__wait *wait)
{
    pool__wait_end(wait);
    if (wait->kept_fd < 0)
        return;
    pool__close_fd(conn->kept_fd);
    conn->kept_fd = wait->kept_fd;
    wait->kept_fd = -1;
    conn->broken = true;
}

static void set_tls_options(MYSQL *mysql, const struct pool_options *options)
{
    my_bool on = 1;
    my_bool verify = options->tls == POOL_TLS_VERIFY;
    mysql_ssl_set(mysql, options->tls_key, options->tls_cert, options->tls_ca, NULL, NULL);
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    mysql_options(mysql, MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3");
}

/* The plugin to begin with has to be on the list, too: otherwise libmariadb gives up
 * before the server has named the one that it wants. */
static void set_auth_options(MYSQL *mysql, const char *plugins)
{
    const char *begin = "mysql_native_password";
    char first[1024]; /* no list is longer */
    if (!strstr(plugins, begin)) {
        snprintf(first, sizeof first, "%.*s", (int)strcspn(plugins, ","), plugins);
        begin = first;
    }
    mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH, plugins);
    mysql_options(mysql, MYSQL_DEFAULT_AUTH, begin);
}

void pool__conn_set_options(MYSQL *mysql, const struct pool__options *options)
{
    const struct pool_options *v = &options->v;
    unsigned tcp = v->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    unsigned off = 0;
    my_bool never = 0;
    size_t packet = v->max_packet_bytes;
    /* Whole seconds, and only so that the library waits through the hook at all:
     * the hook keeps the exact deadline. */
    unsigned seconds = v->connect_timeout_ms / 1000 + 2;
    if (v->connect_timeout_ms == POOL_NEVER)
        seconds = 24 * 3600;
    if (v->socket)
        seconds = 1; /* see room.c */
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(mysql, MARIADB_OPT_IO_WAIT, (const void *)pool__wait_hook);
    mysql_options(mysql, MYSQL_OPT_PROTOCOL, &tcp);
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_options(mysql, MYSQL_OPT_RECONNECT, &never);
    mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    set_auth_options(mysql, options->auth_plugins);
    if (v->application_name)
        mysql_options4(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", v->application_name);
    if (options->tls != POOL_TLS_OFF)
        set_tls_options(mysql, v);
}

/* A server that got the password in clear may say it back, into a log. Short passwords
 * are not looked for: they turn up as parts of ordinary words. */
static const char *text_without(const char *password, MYSQL *mysql)
{
    const char *text = mysql_error(mysql);
    if (strlen(password) < 8 || !strstr(text, password))
        return text;
    return "the server's message is not shown, for it contains the password";
}

#define HOST_IS_BLOCKED 1129 /* others are of the account */

bool pool__conn_fail_connect(const struct pool__wait *wait, MYSQL *mysql, const char *password,
                             struct pool_error *err)
{
    bool lost = wait->timed_out || pool__is_cut_off(mysql_errno(mysql), mysql_error(mysql));
    unsigned code = lost ? CR_SERVER_LOST : mysql_errno(mysql);
    enum pool_code kind = POOL_ERR_CONNECT;
    if (wait->timed_out)
        pool__fail(err, kind, "connect timed out");
    else if (wait->cut)
        pool__fail(err, POOL_ERR_CLOSED, "the pool is being closed");
    else {
        enum pool__connect_class class_ = pool__classify_connect(code);
        if (class_ == POOL__C_TLS)
            kind = POOL_ERR_TLS;
        else if (class_ == POOL__C_PASSWORD || class_ == POOL__C_PERMANENT ||
                 (class_ == POOL__C_BLOCKED && code != HOST_IS_BLOCKED))
            kind = POOL_ERR_AUTH;
        pool__fail(err, code == CR_OUT_OF_MEMORY ? POOL_ERR_NOMEM : kind, "connect: %s",
                   text_without(password, mysql));
    }
    if (err) {
        err->server_errno = code;
        memcpy(err->sqlstate, mysql_sqlstate(mysql), 5);
        err->not_executed = true;
        err->fatal = true;
    }
    return false;
}

static bool prove_tls(struct pool__conn *conn, struct pool_error *err)
{
    if (conn->options->tls == POOL_TLS_OFF)
        return true;
    const char *cipher = mysql_get_ssl_cipher(conn->mysql);
    const char *version = NULL;
    mariadb_get_infov(conn->mysql, MARIADB_CONNECTION_TLS_VERSION, &version);
    if (cipher && *cipher && version && strncmp(version, "TLSv1.", 6) == 0 && version[6] >= '2')
        return true;
    return pool__fail(err, POOL_ERR_TLS, "the connection is not encrypted with TLS 1.2 or newer");
}

/* The copy that only a reconnect would use, and the packet in which some plugins send the
 * password in clear. Nothing is left to be read in that buffer. */
void pool__conn_forget_password(MYSQL *mysql)
{
    const NET *net = &mysql->net;
    explicit_bzero(mysql->passwd, strlen(mysql->passwd));
    explicit_bzero(net->buff, (size_t)(net->buff_end - net->buff));
}

static void remember_socket(struct pool__conn *conn, int fd)
{
    struct stat socket;
    if (fstat(fd, &socket) != 0)
        return;
    conn->device = socket.st_dev;
    conn->inode = socket.st_ino;
}

static void watch_network(struct pool__conn *conn, int fd)
{
    const struct pool_options *v = &conn->options->v;
    if (v->socket)
        return;
    pool__tcp_keepalive(fd, v->tcp_keepalive_ms);
    if (v->tcp_user_timeout_ms != POOL_NEVER)
        conn->unheard_ms = v->tcp_user_timeout_ms;
}

static bool login(struct pool__conn *conn, const struct pool_credentials *credentials,
                  uint64_t deadline_ns, struct pool_error *err)
{
    if (!pool__login(conn, credentials, deadline_ns, err))
        return false;
    pool__conn_forget_password(conn->mysql);
    conn->tls = conn->options->tls != POOL_TLS_OFF;
    int fd = mysql_get_socket(conn->mysql);
    pool__wait_prepare_socket(fd);
    remember_socket(conn, fd);
    watch_network(conn, fd);
    return prove_tls(conn, err);
}

/* The server runs a prepared statement in the database that was current when it was prepared,
 * and as it was read then: 'a' || 'b' is what the SQL mode of that time made of it. */
static void note_database(struct pool__conn *conn)
{
    const char *now = conn->mysql->db ? conn->mysql->db : "";
    uint64_t hash = pool__hash_text(now, strlen(now));
    if (hash != conn->database_hash)
        pool__stmt_cache_close_natives(&conn->cache);
    conn->database_hash = hash;
}

void pool__conn_note_reading(struct pool__conn *conn)
{
    if (conn->class_ != POOL__SQL_OTHER || conn->broken)
        return;
    if (conn->rereads)
        pool__stmt_cache_close_natives(&conn->cache);
    note_database(conn);
}

void pool__conn_note_native(struct pool__conn *conn)
{
    if (!conn->native_given)
        return;
    if (pool__stmt_cache_is_void(&conn->cache))
        pool__stmt_cache_close_natives(&conn->cache);
    note_database(conn);
}

static struct pool__conn *new_conn(const struct pool__options *options,
                                   struct pool__stmt_budget *budget, int cut_fd)
{
    struct pool__conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL;
    conn->options = options;
    conn->cut_fd = cut_fd;
    conn->kept_fd = -1;
    conn->trip_ns = UINT64_MAX;
    pool__stmt_cache_init(&conn->cache, options->v.statement_cache, budget);
    conn->mysql = mysql_init(NULL);
    if (!conn->mysql) {
        free(conn);
        return NULL;
    }
    pool__conn_set_options(conn->mysql, options);
    return conn;
}

bool pool__conn_open(const struct pool__options *options,
                     const struct pool_credentials *credentials, struct pool__stmt_budget *budget,
                     int cut_fd, uint64_t deadline_ns, struct pool__conn **ret_conn,
                     struct pool_error *err)
{
    struct pool__conn *conn = new_conn(options, budget, cut_fd);
    *ret_conn = NULL;
    if (!conn)
        return pool__fail(err, POOL_ERR_NOMEM, "out of memory for a connection");
    if (!login(conn, credentials, deadline_ns, err)) {
        pool__close_fd(pool__conn_close(conn));
        return false;
    }
    *ret_conn = conn;
    conn->opened_ns = pool__now_ns();
    return pool__session_start(conn, deadline_ns, err);
}

bool pool__conn_command(struct pool__conn *conn, int (*command)(MYSQL *), uint64_t deadline_ns,
                        struct pool_error *err)
{
    struct pool__wait wait;
    struct pool_error own;
    err = err ? err : &own;
    pool__conn_enter(conn, &wait, deadline_ns);
    conn->turn = POOL__TURN_NONE;
    bool ok = command(conn->mysql) == 0;
    pool__conn_leave(conn, &wait);
    if (!ok) {
        pool__conn_error(conn, &wait, NULL, true, err);
        /* In a cluster whatever comes next is told that the transaction was undone. */
        conn->broken = conn->broken || !err->retry_transaction;
        conn->running = false; /* neither a ping nor a reset occupies the server */
    }
    return ok;
}

bool pool__conn_fail_broken(const struct pool__conn *conn, struct pool_error *err)
{
    pool__fail(err, POOL_ERR_LOST, "%s",
               conn->abandoned ? "an earlier call left rows unread, which costs the connection"
                               : "the connection was lost in an earlier call");
    if (err)
        err->fatal = err->not_executed = true;
    return false;
}

bool pool__conn_ping(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
{
    if (conn->broken) /* what may still run on it remains to be killed */
        return pool__conn_fail_broken(conn, err);
    return pool__conn_command(conn, mysql_ping, deadline_ns, err);
}

bool pool__conn_has_leftovers(const struct pool__conn *conn)
{
    const MARIADB_PVIO *pvio = conn->mysql->net.pvio;
    return pvio && pvio->cache && pvio->cache_pos < pvio->cache + pvio->cache_size;
}

bool pool__conn_is_ours(const struct pool__conn *conn)
{
    struct stat now;
    return conn->mysql->net.pvio && fstat(mysql_get_socket(conn->mysql), &now) == 0 &&
           now.st_dev == conn->device && now.st_ino == conn->inode;
}

/* A connection in constant use is spared the question whether it is still ours. */
#define SILENCE_NS (10 * POOL__NS_PER_MS)

bool pool__conn_is_quiet(struct pool__conn *conn)
{
    if (pool__conn_has_leftovers(conn) ||
        (pool__now_ns() - conn->heard_ns >= SILENCE_NS && !pool__conn_is_ours(conn)))
        return false;
    char byte;
    ssize_t len = recv(mysql_get_socket(conn->mysql), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (len < 0)
        return errno == EAGAIN || errno == EINTR;
    /* With TLS 1.3 session tickets may arrive at any time; they are no reply. */
    return len > 0 && conn->tls;
}

bool pool__conn_is_open(const struct pool__conn *conn)
{
    if (!pool__conn_is_ours(conn))
        return false;
    struct pollfd fd = {.fd = mysql_get_socket(conn->mysql), .events = POLLRDHUP};
    return poll(&fd, 1, 0) == 0;
}

static void free_conn(struct pool__conn *conn)
{
    free(conn->role);
    free(conn->database);
    free(conn->identity);
    free(conn->time_limit);
    free(conn);
}

static int send_nothing(MYSQL *mysql, enum enum_server_command command, const char *arg,
                        size_t length, my_bool skip_check, void *opt_arg)
{
    (void)mysql, (void)command, (void)arg, (void)length, (void)skip_check, (void)opt_arg;
    return 1;
}

/* Frees what libmariadb's own would free, and closes nothing. */
static my_bool close_nothing(MARIADB_PVIO *pvio)
{
    free(pvio->data);
    pvio->data = NULL;
    return 0;
}

/* How libmariadb says goodbye and closes the socket. */
struct farewell {
    struct st_mariadb_methods methods;
    PVIO_METHODS pvio_methods;
};

/* For mysql_close. */
static void leave_socket_alone(MYSQL *mysql, struct farewell *farewell)
{
    farewell->methods = *mysql->methods;
    farewell->methods.db_command = send_nothing;
    mysql->methods = &farewell->methods;
    farewell->pvio_methods = *mysql->net.pvio->methods;
    farewell->pvio_methods.close = close_nothing;
    mysql->net.pvio->methods = &farewell->pvio_methods;
}

int pool__conn_close(struct pool__conn *conn)
{
    struct pool__wait wait = {.deadline_ns = 0, .cut_fd = -1};
    struct farewell farewell;
    bool ours = pool__conn_is_ours(conn);
    int fd = conn->kept_fd;
    /* libmariadb has closed its own, but as long as there is a duplicate the server hears
     * nothing of that. If it is to be killed, the session must not end before. */
    if (fd >= 0 && !conn->running)
        shutdown(fd, SHUT_WR);
    if (fd < 0 && ours)
        fd = fcntl(mysql_get_socket(conn->mysql), F_DUPFD_CLOEXEC, 0);
    if (!ours && conn->mysql->net.pvio)
        leave_socket_alone(conn->mysql, &farewell);
    pool__wait_begin(&wait, conn->tls); /* a deadline in the past: never blocks */
    mysql_close(conn->mysql);
    /* The handles lost their connection with that, so freeing them sends nothing. */
    pool__stmt_cache_fini(&conn->cache);
    pool__wait_end(&wait);
    pool__close_fd(wait.kept_fd);
    free_conn(conn);
    return fd;
}

void pool__conn_abandon(struct pool__conn *conn)
{
    pool__close_fd(conn->kept_fd);
    if (pool__conn_is_ours(conn))
        close(mysql_get_socket(conn->mysql));
}

void pool__conn_note_send(struct pool__conn *conn, const struct pool__sql_info *info)
{
    conn->class_ = info->class_;
    conn->turn = info->turn;
    conn->read_only = info->read_only;
    conn->rereads = info->rereads;
    if (info->class_ != POOL__SQL_OTHER)
        return;
    conn->dirty = true; /* it may do its work and then fail, with no status to tell */
    conn->quotes_known = false;
}

static bool tells_of(const struct pool__conn *conn, enum enum_session_state_type type)
{
    const char *data;
    size_t len;
    return mysql_session_track_get_first(conn->mysql, type, &data, &len) == 0;
}

/* MySQL reports the begin and the end of each transaction as a change, also if it is not to.
 * What is reported comes with OK packets only. */
static bool session_has_changed(const struct pool__conn *conn, bool ok)
{
    if (!(conn->mysql->server_status & SERVER_SESSION_STATE_CHANGED))
        return false;
    if (conn->mariadb || !ok)
        return true;
    bool transaction =
        tells_of(conn, SESSION_TRACK_TRANSACTION_STATE) || tells_of(conn, SESSION_TRACK_GTIDS);
    return !transaction || tells_of(conn, SESSION_TRACK_SYSTEM_VARIABLES) ||
           tells_of(conn, SESSION_TRACK_SCHEMA) || tells_of(conn, SESSION_TRACK_STATE_CHANGE) ||
           tells_of(conn, SESSION_TRACK_TRANSACTION_CHARACTERISTICS);
}

void pool__conn_note_status(struct pool__conn *conn, enum pool__sql_class class_, bool ok)
{
    unsigned status = conn->mysql->server_status;
    bool in_transaction = status & SERVER_STATUS_IN_TRANS;
    if (conn->in_transaction && !in_transaction && conn->turn == POOL__TURN_HIDDEN)
        conn->trx.kept = true; /* even if another one follows in the same request */
    conn->in_transaction = in_transaction;
    bool autocommit = status & SERVER_STATUS_AUTOCOMMIT;
    if (class_ == POOL__SQL_OTHER || session_has_changed(conn, ok) ||
        autocommit != conn->autocommit)
        conn->dirty = true;
}

static void describe(struct pool__conn *conn, MYSQL_STMT *stmt, unsigned code,
                     struct pool_error *err)
{
    if (!err)
        return;
    err->server_errno = code;
    memcpy(err->sqlstate, stmt ? mysql_stmt_sqlstate(stmt) : mysql_sqlstate(conn->mysql), 5);
}

static enum pool_code code_of(enum pool__error_class class_)
{
    static const enum pool_code codes[] = {
        [POOL__E_STATEMENT] = POOL_ERR_SERVER, [POOL__E_DIRTY] = POOL_ERR_SERVER,
        [POOL__E_RETRY] = POOL_ERR_SERVER,     [POOL__E_TIMEOUT] = POOL_ERR_QUERY_TIMEOUT,
        [POOL__E_READ_ONLY] = POOL_ERR_SERVER, [POOL__E_TOO_BIG] = POOL_ERR_TOO_BIG,
        [POOL__E_LOST] = POOL_ERR_LOST,        [POOL__E_UNSENT] = POOL_ERR_LOST,
        [POOL__E_NOMEM] = POOL_ERR_NOMEM,
    };
    return codes[class_];
}

static bool breaks(enum pool__error_class class_)
{
    return class_ == POOL__E_LOST || class_ == POOL__E_UNSENT || class_ == POOL__E_TOO_BIG ||
           class_ == POOL__E_NOMEM;
}

static void fail_by_wait(struct pool__conn *conn, const struct pool__wait *wait, bool sent,
                         struct pool_error *err)
{
    if (wait->cut)
        pool__fail(err, POOL_ERR_CLOSED, "the pool was closed while the statement ran");
    else
        pool__fail(err, POOL_ERR_QUERY_TIMEOUT, "the statement passed its deadline%s",
                   sent ? " and is being killed" : " before it was sent");
    conn->broken = true;
    conn->running = sent;
    if (err) {
        err->fatal = true;
        err->not_executed = !sent;
    }
}

void pool__conn_error(struct pool__conn *conn, const struct pool__wait *wait, MYSQL_STMT *stmt,
                      bool sent, struct pool_error *err)
{
    if (wait && (wait->timed_out || wait->cut)) {
        fail_by_wait(conn, wait, sent, err);
        return;
    }
    unsigned code = stmt ? mysql_stmt_errno(stmt) : mysql_errno(conn->mysql);
    /* libmariadb says "lost" for a packet over its limit, too; its error state differs. */
    if (code == CR_SERVER_LOST && conn->mysql->net.error == 1)
        code = CR_NET_PACKET_TOO_LARGE;
    const char *text = stmt ? mysql_stmt_error(stmt) : mysql_error(conn->mysql);
    struct pool__error_facts facts = pool__classify(code, text, conn->mariadb);
    if (code == CR_NET_PACKET_TOO_LARGE)
        text = "a packet from the server is over max_packet_bytes";
    if (wait && wait->unheard)
        text = "the network is silent: what was sent is not acknowledged";
    pool__fail(err, code_of(facts.class_), "%s", text);
    describe(conn, stmt, code, err);
    if (breaks(facts.class_))
        conn->broken = true;
    pool__trx_note_error(conn, code, &facts);
    /* An error carries no status, and a function or a trigger may have changed the
     * session before it: only refusals to even start leave it clean for certain. */
    if (!facts.before_start || conn->in_transaction)
        conn->dirty = true;
    if (!err)
        return;
    err->fatal = conn->broken;
    err->retry_transaction = facts.class_ == POOL__E_RETRY;
    err->not_executed = facts.not_executed && conn->class_ != POOL__SQL_OTHER;
}
