/*
 * The rule of this file is that nothing is guessed and nothing is dropped: an
 * option that is out of range, that contradicts another, or that would have no
 * effect where safety is at stake is refused, with its name and its value, before
 * a single connection is made. What a row of the table says is checked by the table;
 * only what concerns several options at once is written out as code.
 *
 * No message ever shows the password, nor a text that may contain it by mistake, such as a URL in
 * the place of a host. Files are not opened and names are not resolved: both may come and go during
 * the life of a pool. No locks; any thread.
 */
#include "config/option_check.h"

#include "base/error.h"
#include "base/secret.h"
#include "config/option_table.h"
#include "config/setup_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/auxv.h>

static bool is_number(const struct pool__option *option)
{
    return option->kind == POOL__OPTION_U32 || option->kind == POOL__OPTION_SIZE;
}

static uint64_t get_number(struct pool_options *options, const struct pool__option *option)
{
    void *field = pool__option_table_field(options, option);
    return option->kind == POOL__OPTION_SIZE ? *(size_t *)field : *(uint32_t *)field;
}

/* ------------------------------------------------------------------------
 * One option at a time
 */

/* The place of the first one, counted from 1; 0 if there is none. */
static size_t find_control_character(const char *text)
{
    for (size_t i = 0; text[i]; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return i + 1;
    return 0;
}

/* A password may be anything; an empty database is none. A text with control
 * characters is not shown, because the message may end up in a log. */
static bool check_text(const struct pool__option *option, const char *text, struct pool_error *err)
{
    bool secret = option->offset == offsetof(struct pool_options, password);
    if (!text)
        return true;
    if (!*text && option->min > 0)
        return pool__fail(err, POOL_ERR_INVALID, "option '%s' is empty: ''", option->field);
    if (pool__secret_length(text) > option->max)
        return pool__fail(err, POOL_ERR_INVALID, "option '%s' has %zu bytes, more than %u",
                          option->field, pool__secret_length(text), (unsigned)option->max);
    if (!secret && find_control_character(text))
        return pool__fail(err, POOL_ERR_INVALID, "option '%s' has a control character at byte %zu",
                          option->field, find_control_character(text));
    return true;
}

static bool check_number(const struct pool__option *option, uint64_t number, struct pool_error *err)
{
    if (pool__option_table_in_range(option, number))
        return true;
    return pool__fail(err, POOL_ERR_INVALID, "option '%s' is %llu, not from %llu to %llu%s%s",
                      option->field, (unsigned long long)number, (unsigned long long)option->min,
                      (unsigned long long)option->max, option->word ? " or " : "",
                      option->word ? option->word : "");
}

static bool check_choice(const struct pool__option *option, unsigned value, struct pool_error *err)
{
    unsigned count = 0;
    while (option->words[count])
        count++;
    if (value < count)
        return true;
    return pool__fail(err, POOL_ERR_INVALID, "option '%s' is %u, not one of its %u values",
                      option->field, value, count);
}

static bool check_row(struct pool_options *v, const struct pool__option *option,
                      struct pool_error *err)
{
    switch (option->kind) {
    case POOL__OPTION_TEXT: return check_text(option, *pool__option_table_text(v, option), err);
    case POOL__OPTION_U32:
    case POOL__OPTION_SIZE:
        /* Zero is the default, whatever the range. */
        return !get_number(v, option) || check_number(option, get_number(v, option), err);
    case POOL__OPTION_CHOICE:
        return check_choice(option, *(unsigned *)pool__option_table_field(v, option), err);
    case POOL__OPTION_FLAG:
    case POOL__OPTION_NOT_FLAG: break;
    }
    return true;
}

static bool check_rows(struct pool_options *v, struct pool_error *err)
{
    size_t rows;
    const struct pool__option *table = pool__option_table(&rows);
    for (size_t i = 0; i < rows; i++)
        if (!check_row(v, &table[i], err))
            return false;
    return true;
}

/* ------------------------------------------------------------------------
 * The server's address
 */

/* Copies a host without its brackets. False if they do not match or it is too long. */
static bool unbracket(const char *host, char ret_bare[256])
{
    size_t len = strlen(host);
    bool bracketed = *host == '[';
    if (bracketed && (len < 2 || host[len - 1] != ']'))
        return false;
    if (bracketed) {
        host++;
        len -= 2;
    }
    if (len == 0 || len > 255)
        return false;
    memcpy(ret_bare, host, len);
    ret_bare[len] = '\0';
    return !bracketed || strchr(ret_bare, ':');
}

/* A colon is only allowed in an IPv6 address, so that "db:3306" is an error and
 * not a name that nobody can resolve. */
bool pool__option_check_host(const char *host)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:";
    char bare[256];
    struct in6_addr address;
    if (!unbracket(host, bare) || bare[strspn(bare, allowed)])
        return false;
    return !strchr(bare, ':') || inet_pton(AF_INET6, bare, &address) == 1;
}

static bool is_loopback(const char *host)
{
    char bare[256];
    struct in_addr four;
    struct in6_addr six;
    if (!strcasecmp(host, "localhost"))
        return true;
    if (!unbracket(host, bare))
        return false;
    if (inet_pton(AF_INET, bare, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, bare, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* A host with an '@' is a URL, or a piece of one, and may contain a password. */
static bool check_host(const char *host, struct pool_error *err)
{
    if (!host || pool__option_check_host(host))
        return true;
    if (strchr(host, '@') || strstr(host, "://"))
        return pool__fail(err, POOL_ERR_INVALID,
                          "option 'host' is not a host name or address but looks like a URL");
    return pool__fail(err, POOL_ERR_INVALID, "option 'host' is not a host name or address: '%.80s'",
                      host);
}

static bool check_socket(const char *path, struct pool_error *err)
{
    if (!path)
        return true;
    if (*path != '/')
        return pool__fail(err, POOL_ERR_INVALID, "option 'socket' is not an absolute path: '%.80s'",
                          path);
    if (strpbrk(path, ";,="))
        return pool__fail(err, POOL_ERR_INVALID,
                          "option 'socket' has one of the characters ; , = in it: '%.108s'", path);
    return true;
}

/* Looks at what the program gave, before any default is filled in. The host that
 * contradicts a socket is not shown: in a URL that lost its '@', it is what should
 * have been the user and the password. */
static bool check_server(const struct pool_options *v, struct pool_error *err)
{
    if (v->socket && v->host && strcmp(v->host, "localhost") != 0)
        return pool__fail(err, POOL_ERR_INVALID,
                          "options 'host' and 'socket' contradict: there is a host, and '%s'",
                          v->socket);
    if (v->socket && v->port)
        return pool__fail(err, POOL_ERR_INVALID, "options 'port' and 'socket' contradict: %u, '%s'",
                          v->port, v->socket);
    if (!v->user && !v->credentials)
        return pool__fail(err, POOL_ERR_INVALID,
                          "option 'user' is missing, and there is no 'credentials' callback");
    return check_host(v->host, err) && check_socket(v->socket, err);
}

/* ------------------------------------------------------------------------
 * TLS and authentication
 */

static enum pool_tls_mode effective_tls(const struct pool_options *v)
{
    if (v->tls != POOL_TLS_DEFAULT)
        return v->tls;
    return v->socket || !v->host || is_loopback(v->host) ? POOL_TLS_OFF : POOL_TLS_VERIFY;
}

/* Files that would silently not be used are refused: who names an authority
 * expects the server to be checked against it. */
static bool check_tls_files(const struct pool_options *v, enum pool_tls_mode tls,
                            struct pool_error *err)
{
    const char *field = v->tls_ca ? "tls_ca" : v->tls_cert ? "tls_cert" : "tls_key";
    const char *file = v->tls_ca ? v->tls_ca : v->tls_cert ? v->tls_cert : v->tls_key;
    if (file && tls == POOL_TLS_OFF)
        return pool__fail(err, POOL_ERR_INVALID, "option '%s' is '%.80s', but TLS is off%s", field,
                          file, v->tls == POOL_TLS_OFF ? "" : " here by default; set 'tls'");
    if (v->tls_cert && !v->tls_key)
        return pool__fail(err, POOL_ERR_INVALID, "option 'tls_cert' is '%.80s' without 'tls_key'",
                          v->tls_cert);
    if (v->tls_key && !v->tls_cert)
        return pool__fail(err, POOL_ERR_INVALID, "option 'tls_key' is '%.80s' without 'tls_cert'",
                          v->tls_key);
    return true;
}

/* Over a Unix socket libmariadb would check the certificate for "localhost". */
static bool check_tls(const struct pool_options *v, enum pool_tls_mode tls, struct pool_error *err)
{
    if (v->socket && tls != POOL_TLS_OFF)
        return pool__fail(err, POOL_ERR_INVALID,
                          "option 'tls' is '%s', but a Unix socket cannot be used with TLS: '%s'",
                          pool__option_table_tls_word(tls), v->socket);
    return check_tls_files(v, tls, err);
}

/* Over these channels nobody but the right server can read what is sent. */
static bool channel_is_trusted(const struct pool_options *v, enum pool_tls_mode tls)
{
    return v->socket || tls == POOL_TLS_VERIFY;
}

/* These hand the password, or something as good, to whoever asks. libmariadb allows
 * what is found anywhere in the list, so a name that contains one allows it too. */
static bool exposes_password(const char *name, size_t len)
{
    static const char *const exposing[] = {"mysql_clear_password", "dialog", "mysql_old_password"};
    for (size_t i = 0; i < sizeof exposing / sizeof *exposing; i++)
        if (memmem(name, len, exposing[i], strlen(exposing[i])))
            return true;
    return false;
}

static bool check_plugins(const char *list, bool trusted, struct pool_error *err)
{
    for (;;) {
        size_t len = strspn(list, "abcdefghijklmnopqrstuvwxyz0123456789_");
        if (len == 0 || (list[len] && list[len] != ','))
            return pool__fail(err, POOL_ERR_INVALID,
                              "option 'auth_plugins' is not a list of names with commas at '%.80s'",
                              list);
        if (!trusted && exposes_password(list, len))
            return pool__fail(err, POOL_ERR_INVALID,
                              "option 'auth_plugins' allows '%.*s' without verified TLS", (int)len,
                              list);
        if (!list[len])
            return true;
        list += len + 1;
    }
}

static const char *default_plugins(bool trusted)
{
    return trusted ? "mysql_native_password,client_ed25519,caching_sha2_password"
                   : "mysql_native_password,client_ed25519";
}

/* ------------------------------------------------------------------------
 * Everything else that concerns several options
 */

bool pool__option_check_environment(bool secure, struct pool_error *err)
{
    static const char *const names[] = {"LIBMYSQL_PLUGINS", "MARIADB_PLUGIN_DIR"};
    for (size_t i = 0; secure && i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]))
            return pool__fail(err, POOL_ERR_INVALID,
                              "environment variable '%s' is set in a set-uid program", names[i]);
    return true;
}

static bool check_init_sql(const char *const *statements, struct pool_error *err)
{
    for (size_t i = 0; statements && statements[i]; i++)
        if (!*statements[i])
            return pool__fail(err, POOL_ERR_INVALID,
                              "option 'init_sql' has an empty entry: number %zu", i + 1);
    return true;
}

static bool check_queue(const struct pool_options *v, struct pool_error *err)
{
    if (!v->no_waiting || !v->queue_limit)
        return true;
    return pool__fail(err, POOL_ERR_INVALID,
                      "options 'no_waiting' and 'queue_limit' contradict: true, %u",
                      (unsigned)v->queue_limit);
}

static void fill_numbers(struct pool_options *v)
{
    size_t rows;
    const struct pool__option *table = pool__option_table(&rows);
    for (size_t i = 0; i < rows; i++)
        if (is_number(&table[i]) && !get_number(v, &table[i]))
            pool__option_table_set_number(v, &table[i], table[i].fallback);
}

static void fill_texts(struct pool_options *v)
{
    if (!v->host)
        v->host = "localhost";
    /* libmariadb must never see NULL: it would look into the environment. */
    if (!v->user)
        v->user = "";
    if (!v->password)
        v->password = "";
    if (v->database && !*v->database)
        v->database = NULL;
}

/* Checks what was given, then replaces it by what it means. */
bool pool__option_check(struct pool_options *v, struct pool_error *err)
{
    enum pool_tls_mode tls;
    bool trusted;
    if (!check_rows(v, err) || !check_server(v, err) || !check_queue(v, err) ||
        !check_init_sql(v->init_sql, err) || !pool__setup_check(v, err))
        return false;
    tls = effective_tls(v);
    trusted = channel_is_trusted(v, tls);
    if (!check_tls(v, tls, err))
        return false;
    v->tls = tls;
    if (!v->auth_plugins)
        v->auth_plugins = default_plugins(trusted);
    fill_numbers(v);
    fill_texts(v);
    if (v->min_idle > v->connection_limit)
        return pool__fail(err, POOL_ERR_INVALID,
                          "option 'min_idle' is %u, more than 'connection_limit', %u", v->min_idle,
                          v->connection_limit);
    return check_plugins(v->auth_plugins, trusted, err);
}

/* ------------------------------------------------------------------------
 * The copy
 */
