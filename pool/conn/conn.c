/*
 * One connection: its waits, its socket, its end. Written in blocking style; every wait goes
 * through pool__wait_hook and therefore ends at the caller's deadline. The thread that owns
 * the connection's slot runs it; there are no locks here.
 *
 * A program may close a descriptor that is not its own, and its number then goes to the
 * next file or socket that is opened. So a connection remembers the identity of its
 * socket, which is compared before the end of the connection and, after a silence, before
 * its next use: neither a byte nor a close must hit a stranger.
 */
#include "conn/conn.h"

#include "base/error.h"
#include "base/sync.h"

#include <mysql.h>
#include <ma_pvio.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
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

bool pool__conn_fail_broken(const struct pool__conn *conn, struct pool_error *err)
{
    return pool__fail_lost(err, POOL_ERR_LOST, "%s",
                           conn->abandoned
                               ? "an earlier call left rows unread, which costs the connection"
                               : "the connection was lost in an earlier call");
}

int pool__conn_socket(const struct pool__conn *conn)
{
    return mysql_get_socket(conn->mysql);
}

size_t pool__conn_packet_limit(const struct pool__conn *conn)
{
    size_t own = conn->options->v.max_packet_bytes;
    return conn->max_packet && conn->max_packet < own ? (size_t)conn->max_packet : own;
}

bool pool__conn_commits_by_itself(const struct pool__conn *conn)
{
    return conn->mysql->server_status & SERVER_STATUS_AUTOCOMMIT;
}

bool pool__conn_has_leftovers(const struct pool__conn *conn)
{
    const MARIADB_PVIO *pvio = conn->mysql->net.pvio;
    return pvio && pvio->cache && pvio->cache_pos < pvio->cache + pvio->cache_size;
}

/* A look is a system call, and a connection that has answered just now needs none: nobody can
 * have decided to kill it since, and the keeper's watch could hardly be slower. One that goes
 * from caller to caller is as busy as during a statement, and waking a thread takes longer than
 * 50 microseconds on a busy processor. */
#define JUST_NOW_NS UINT64_C(50000)
#define HANDED_OVER_NS UINT64_C(250000)

bool pool__conn_has_just_answered(const struct pool__conn *conn, uint64_t now)
{
    uint64_t just_now_ns = conn->handed_over ? HANDED_OVER_NS : JUST_NOW_NS;
    return now - conn->heard_ns < just_now_ns && !pool__conn_has_leftovers(conn);
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
    if (fd >= 0 && !conn->may_run)
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
