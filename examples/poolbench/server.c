/*
 * Connections and statements of libmariadb, for comparison with the pool.
 *
 * To be a fair baseline this does what mypool does for the same URL, no more and
 * no less: the same TLS decision, the same authentication plugins, prepared
 * statements, results read completely. It sets no read timeout, as that would
 * cost libmariadb one more system call for each answer.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Connecting. ---- */

static bool is_loopback(const char *host)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (!host || strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static enum pool_tls_mode tls_mode(const struct pool_options *options)
{
    if (options->tls != POOL_TLS_DEFAULT)
        return options->tls;
    return options->socket || is_loopback(options->host) ? POOL_TLS_OFF : POOL_TLS_VERIFY;
}

static void set_tls(MYSQL *mysql, const struct pool_options *options, enum pool_tls_mode mode)
{
    my_bool on = 1;
    my_bool verify = mode == POOL_TLS_VERIFY;

    if (mode == POOL_TLS_OFF)
        return;
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    mysql_ssl_set(mysql, options->tls_key, options->tls_cert, options->tls_ca, NULL, NULL);
}

static void set_options(MYSQL *mysql, const struct pool_options *options, enum pool_tls_mode tls)
{
    unsigned seconds = options->connect_timeout_ms ? (options->connect_timeout_ms + 999) / 1000 : 5;
    unsigned protocol = options->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    const char *plugins = options->auth_plugins;

    if (!plugins)
        plugins = tls == POOL_TLS_VERIFY || options->socket
                      ? "mysql_native_password,client_ed25519,caching_sha2_password"
                      : "mysql_native_password,client_ed25519";
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH, plugins);
    mysql_options(mysql, MYSQL_DEFAULT_AUTH, "mysql_native_password");
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    set_tls(mysql, options, tls);
}

static bool connect_to(MYSQL *mysql, const struct pool_options *options)
{
    return mysql_real_connect(mysql, options->host ? options->host : "localhost",
                              options->user ? options->user : "",
                              options->password ? options->password : "", options->database,
                              options->port ? options->port : 3306, options->socket,
                              CLIENT_REMEMBER_OPTIONS) != NULL;
}

/* libmariadb accepts a server without TLS even if TLS was asked for. */
static bool tls_is_as_wanted(MYSQL *mysql, enum pool_tls_mode tls)
{
    return tls == POOL_TLS_OFF || mysql_get_ssl_cipher(mysql) != NULL;
}

MYSQL *server_connect(const struct pool_options *options, struct problem *problem)
{
    enum pool_tls_mode tls = tls_mode(options);
    MYSQL *mysql = mysql_init(NULL);

    if (!mysql) {
        problem_set(problem, "memory", "out of memory for a connection");
        return NULL;
    }
    set_options(mysql, options, tls);
    if (!connect_to(mysql, options))
        server_problem(mysql, problem);
    else if (!tls_is_as_wanted(mysql, tls))
        problem_set(problem, "TLS", "the server does not offer TLS");
    else
        return mysql;
    mysql_close(mysql);
    return NULL;
}

/* ---- Errors. ---- */

/* "Can't connect to server on '127.0.0.1' (99)" ends with the system's error
 * number; 99 tells that local ports have run out, which is another class than a
 * server that is down. For the latter libmariadb reports EINPROGRESS, which says
 * nothing. */
static int system_error_of(const char *message)
{
    const char *open = strrchr(message, '(');
    int number = open ? (int)strtol(open + 1, NULL, 10) : 0;

    return number == EINPROGRESS ? 0 : number;
}

static void set_problem(struct problem *problem, unsigned number, const char *message)
{
    int system_error = number == 2002 || number == 2003 ? system_error_of(message) : 0;
    char class[32];

    if (system_error > 0) {
        snprintf(class, sizeof(class), "%u/%d", number, system_error);
        problem_set(problem, class, "%s: %s", message, strerror(system_error));
    } else {
        snprintf(class, sizeof(class), "%u", number);
        problem_set(problem, class, "%s", message);
    }
}

void server_problem(MYSQL *mysql, struct problem *problem)
{
    set_problem(problem, mysql_errno(mysql), mysql_error(mysql));
}

void server_statement_problem(MYSQL_STMT *stmt, struct problem *problem)
{
    set_problem(problem, mysql_stmt_errno(stmt), mysql_stmt_error(stmt));
}

/* ---- The query. ---- */

static bool bind_key(struct query *query)
{
    MYSQL_BIND key = {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &query->key};

    return mysql_stmt_bind_param(query->stmt, &key) == 0;
}

static bool bind_columns(struct query *query)
{
    MYSQL_BIND columns[] = {
        {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &query->id},
        {.buffer_type = MYSQL_TYPE_STRING,
         .buffer = query->name,
         .buffer_length = sizeof(query->name)},
        {.buffer_type = MYSQL_TYPE_DOUBLE, .buffer = &query->v},
    };

    return mysql_stmt_bind_result(query->stmt, columns) == 0;
}

static bool prepare_and_bind(struct query *query, const struct config *config)
{
    if (mysql_stmt_prepare(query->stmt, config->query, strlen(config->query)) != 0)
        return false;
    if (config->takes_key && !bind_key(query))
        return false;
    return !query->checked || bind_columns(query);
}

bool query_open(struct query *query, MYSQL *mysql, const struct config *config,
                struct problem *problem)
{
    memset(query, 0, sizeof(*query));
    query->checked = config->default_query;
    query->stmt = mysql_stmt_init(mysql);
    if (!query->stmt) {
        server_problem(mysql, problem);
        return false;
    }
    if (prepare_and_bind(query, config))
        return true;
    server_statement_problem(query->stmt, problem);
    query_close(query);
    return false;
}

void query_close(struct query *query)
{
    mysql_stmt_close(query->stmt);
}

static bool check_row(struct query *query, struct problem *problem)
{
    int status = mysql_stmt_fetch(query->stmt);

    if (status == MYSQL_NO_DATA) {
        problem_set(problem, WRONG_ROW, "no row with id %lld", (long long)query->key);
        return false;
    }
    if (status == 1) {
        server_statement_problem(query->stmt, problem);
        return false;
    }
    return row_is_right(query->key, query->id, query->name, problem);
}

bool query_run(struct query *query, int64_t key, struct problem *problem)
{
    bool ok;

    query->key = key;
    if (mysql_stmt_execute(query->stmt) != 0 || mysql_stmt_store_result(query->stmt) != 0) {
        server_statement_problem(query->stmt, problem);
        return false;
    }
    ok = !query->checked || check_row(query, problem);
    mysql_stmt_free_result(query->stmt);
    return ok;
}
