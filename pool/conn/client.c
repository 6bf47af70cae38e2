/*
 * What libmariadb is told before it connects, and what it is not to keep afterwards.
 *
 * Its options are a trap of their own (see docs/design.md): the host is validated before it gets
 * here, the allow-list of authentication plugins is always set, TLS counts as on only with
 * verification or with proof after the connect.
 *
 * It keeps the password for reconnects, which are off. Here it is overwritten as soon as the login
 * has succeeded. A login that fails frees its copy before anybody can get at it.
 */
#include "conn/client.h"

#include "conn/wait.h"

#include <mysql.h>
#include <stdio.h>
#include <string.h>

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

void pool__client_set_options(MYSQL *mysql, const struct pool__options *options)
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
        seconds = 1; /* see backlog.c */
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(mysql, MARIADB_OPT_IO_WAIT, (const void *)pool__wait_hook);
    mysql_options(mysql, MYSQL_OPT_PROTOCOL, &tcp);
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_options(mysql, MYSQL_OPT_RECONNECT, &never);
    mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    set_auth_options(mysql, options->v.auth_plugins);
    if (v->application_name)
        mysql_options4(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", v->application_name);
    if (options->v.tls != POOL_TLS_OFF)
        set_tls_options(mysql, v);
}

/* The copy that only a reconnect would use, and the packet in which some plugins send the
 * password in clear. Nothing is left to be read in that buffer. */
void pool__client_forget_password(MYSQL *mysql)
{
    const NET *net = &mysql->net;
    explicit_bzero(mysql->passwd, strlen(mysql->passwd));
    explicit_bzero(net->buff, (size_t)(net->buff_end - net->buff));
}
