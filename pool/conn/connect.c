/*
 * How a connection comes to be: logged in, proved to be encrypted, its session set up.
 */
#include "conn/connect.h"

#include "base/error.h"
#include "base/sync.h"
#include "conn/client.h"
#include "conn/login.h"
#include "conn/session.h"
#include "conn/tcp.h"

#include <mysql.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool prove_tls(struct pool__conn *conn, struct pool_error *err)
{
    if (conn->options->v.tls == POOL_TLS_OFF)
        return true;
    const char *cipher = mysql_get_ssl_cipher(conn->mysql);
    const char *version = NULL;
    mariadb_get_infov(conn->mysql, MARIADB_CONNECTION_TLS_VERSION, &version);
    if (cipher && *cipher && version && strncmp(version, "TLSv1.", 6) == 0 && version[6] >= '2')
        return true;
    return pool__fail(err, POOL_ERR_TLS, "the connection is not encrypted with TLS 1.2 or newer");
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
    pool__client_forget_password(conn->mysql);
    conn->tls = conn->options->v.tls != POOL_TLS_OFF;
    int fd = mysql_get_socket(conn->mysql);
    pool__wait_prepare_socket(fd);
    remember_socket(conn, fd);
    watch_network(conn, fd);
    return prove_tls(conn, err);
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
    pool__client_set_options(conn->mysql, options);
    return conn;
}

bool pool__connect(const struct pool__options *options, const struct pool_credentials *credentials,
                   struct pool__stmt_budget *budget, int cut_fd, uint64_t deadline_ns,
                   struct pool__conn **ret_conn, struct pool_error *err)
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
