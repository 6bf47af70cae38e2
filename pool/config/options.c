/*
 * Validation of the options, and the copy that the pool keeps.
 *
 * The rule of this file is that nothing is guessed and nothing is dropped: an
 * option that is out of range, that contradicts another, or that would have no
 * effect where safety is at stake is refused, with its name and its value, before
 * a single connection is made. Most options are a row of the table below, from
 * which come their defaults, their ranges and their names in a URL; only what
 * concerns several options at once is written out as code.
 *
 * Everything is checked on the caller's own strings first. Only then are all of
 * them copied into one block of memory, so there is one allocation that can fail,
 * nothing to undo when it does, and one block to wipe at the end: it holds the
 * password. The block is a mapping of its own, which the kernel leaves out of core
 * files and clears in child processes. For the same reason no message ever shows
 * the password, nor a text that may contain it by mistake, such as a URL in the
 * place of a host.
 *
 * What is not done here: files are not opened and names are not resolved. Both
 * may come and go during the life of a pool. No locks; any thread.
 */
#include "config/options.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/un.h>

#define MIB (UINT64_C(1) << 20)
#define THIRTY_DAYS UINT64_C(2592000000)
#define NONE UINT32_MAX

/* ------------------------------------------------------------------------
 * The table
 */

static const char *const reset_words[] = {"auto", "always", "never", NULL};
static const char *const tls_words[] = {"default", "off", "verify", "unverified-unsafe", NULL};
static const char *const isolation_words[] = {
    "default", "read-uncommitted", "read-committed", "repeatable-read", "serializable", NULL};

_Static_assert(sizeof(enum pool_tls_mode) == sizeof(unsigned), "choices are read as unsigned");
_Static_assert(sizeof(enum pool_reset_policy) == sizeof(unsigned), "choices are read as unsigned");
_Static_assert(sizeof(enum pool_isolation) == sizeof(unsigned), "choices are read as unsigned");
_Static_assert(sizeof(uint32_t) == sizeof(unsigned), "POOL__OPTION_U32 serves both");

/* clang-format off */
#define ROW(field_, name_, kind_, ...)                                                             \
    {.field = #field_, .name = name_, .kind = POOL__OPTION_##kind_,                                \
     .offset = offsetof(struct pool_options, field_), __VA_ARGS__}
#define TEXT(field_, name_, bytes) ROW(field_, name_, TEXT, .min = 1, .max = bytes)
#define TEXT_OR_EMPTY(field_, name_, bytes) ROW(field_, name_, TEXT, .max = bytes)
#define U32(field_, name_, fallback_, min_, max_, word_)                                           \
    ROW(field_, name_, U32, .fallback = fallback_, .min = min_, .max = max_, .word = word_)
#define TIME(field_, name_, fallback_, word_) U32(field_, name_, fallback_, 1, THIRTY_DAYS, word_)
#define SIZE(field_, name_, fallback_, min_, max_)                                                 \
    ROW(field_, name_, SIZE, .fallback = fallback_, .min = min_, .max = max_)

/* The longest user and database are where libmariadb starts to cut silently; a
 * longer program_name would not fit what servers keep of the attributes. */
static const struct pool__option table[] = {
    TEXT(host, NULL, 257), /* 255 and a pair of brackets */
    U32(port, NULL, 3306, 1, 65535, NULL),
    TEXT(socket, "socketPath", sizeof(((struct sockaddr_un *)0)->sun_path) - 1),
    TEXT(user, NULL, 512),
    TEXT_OR_EMPTY(password, NULL, 65535),
    TEXT_OR_EMPTY(database, NULL, 256),
    U32(connection_limit, "connectionLimit", 10, 1, 4096, NULL),
    U32(min_idle, "minIdle", 0, 0, 4096, NULL),
    U32(queue_limit, "queueLimit", NONE, 0, NONE, "unlimited"),
    ROW(no_waiting, "waitForConnections", NOT_FLAG, .max = 1),
    TIME(acquire_timeout_ms, "acquireTimeout", 10000, "never"),
    TIME(connect_timeout_ms, "connectTimeout", 5000, NULL),
    TIME(query_timeout_ms, "queryTimeout", NONE, "never"),
    TIME(idle_timeout_ms, "idleTimeout", 60000, "never"),
    TIME(max_lifetime_ms, "maxLifetime", 1800000, "never"),
    TIME(keepalive_ms, "keepalive", 120000, "never"),
    TIME(fair_after_ms, "fairAfter", 1, NULL),
    TIME(fail_fast_ms, "failFast", 1000, "never"),
    TIME(leak_after_ms, "leakAfter", NONE, "never"),
    ROW(reset_policy, "resetPolicy", CHOICE, .words = reset_words),
    U32(statement_cache, "statementCache", 256, 1, 65535, NULL),
    ROW(no_prepare, "prepare", NOT_FLAG, .max = 1),
    U32(max_rows, "maxRows", NONE, 1, NONE, "unlimited"),
    SIZE(max_result_bytes, "maxResultBytes", 256 * MIB, 1, SIZE_MAX),
    SIZE(max_packet_bytes, "maxPacketBytes", 64 * MIB, 4096, 1024 * MIB),
    ROW(tls, "tls", CHOICE, .words = tls_words),
    TEXT(tls_ca, "tlsCa", 4095),
    TEXT(tls_cert, "tlsCert", 4095),
    TEXT(tls_key, "tlsKey", 4095),
    TEXT(auth_plugins, "authPlugins", 1023),
    ROW(multi_statements, "multipleStatements", FLAG, .max = 1),
    TEXT(application_name, "applicationName", 255),
    U32(pipeline_depth, "pipelineDepth", 16, 1, 64, NULL),
    ROW(manual_dispatch, "manualDispatch", FLAG, .max = 1),
    ROW(no_autocommit, "autocommit", NOT_FLAG, .max = 1),
    ROW(use_affected_rows, "useAffectedRows", FLAG, .max = 1),
    TEXT_OR_EMPTY(sql_mode, "sqlMode", 1023),
    TEXT(time_zone, "timeZone", 64),
    ROW(isolation, "isolation", CHOICE, .words = isolation_words),
    TEXT(collation, "collation", 64),
    U32(tcp_keepalive_ms, "tcpKeepalive", 30000, 1000, 32767000, "never"),
    U32(tcp_user_timeout_ms, "tcpUserTimeout", 60000, 1000, THIRTY_DAYS, "never"),
};
/* clang-format on */

#define ROWS (sizeof table / sizeof *table)

_Static_assert(ROWS <= 64, "the URL parser keeps one bit for each row");

const struct pool__option *pool__option_table(size_t *ret_count)
{
    *ret_count = ROWS;
    return table;
}

void *pool__option_field(struct pool_options *options, const struct pool__option *option)
{
    return (char *)options + option->offset;
}

bool pool__option_in_range(const struct pool__option *option, uint64_t number)
{
    if (option->word && number == UINT32_MAX)
        return true;
    return number >= option->min && number <= option->max;
}

static bool is_number(const struct pool__option *option)
{
    return option->kind == POOL__OPTION_U32 || option->kind == POOL__OPTION_SIZE;
}

static uint64_t get_number(struct pool_options *options, const struct pool__option *option)
{
    void *field = pool__option_field(options, option);
    return option->kind == POOL__OPTION_SIZE ? *(size_t *)field : *(uint32_t *)field;
}

void pool__option_set_number(struct pool_options *options, const struct pool__option *option,
                             uint64_t number)
{
    void *field = pool__option_field(options, option);
    if (option->kind == POOL__OPTION_SIZE)
        *(size_t *)field = (size_t)number;
    else
        *(uint32_t *)field = (uint32_t)number;
}

static const char **text_of(struct pool_options *options, const struct pool__option *option)
{
    return pool__option_field(options, option);
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

/* For texts that may be the password. The C library's own functions leave the last of it in
 * vector registers, and from there it gets onto stacks when those are saved. */
static size_t length_of(const char *text)
{
    const volatile char *end = text;
    while (*end)
        end++;
    return (size_t)(end - text);
}

static void copy_text(char *to, const char *from, size_t size)
{
    volatile char *at = to;
    while (size-- > 0)
        *at++ = *from++;
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
    if (length_of(text) > option->max)
        return pool__fail(err, POOL_ERR_INVALID, "option '%s' has %zu bytes, more than %u",
                          option->field, length_of(text), (unsigned)option->max);
    if (!secret && find_control_character(text))
        return pool__fail(err, POOL_ERR_INVALID, "option '%s' has a control character at byte %zu",
                          option->field, find_control_character(text));
    return true;
}

static bool check_number(const struct pool__option *option, uint64_t number, struct pool_error *err)
{
    if (pool__option_in_range(option, number))
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
    case POOL__OPTION_TEXT: return check_text(option, *text_of(v, option), err);
    case POOL__OPTION_U32:
    case POOL__OPTION_SIZE:
        /* Zero is the default, whatever the range. */
        return !get_number(v, option) || check_number(option, get_number(v, option), err);
    case POOL__OPTION_CHOICE:
        return check_choice(option, *(unsigned *)pool__option_field(v, option), err);
    case POOL__OPTION_FLAG:
    case POOL__OPTION_NOT_FLAG: break;
    }
    return true;
}

static bool check_rows(struct pool_options *v, struct pool_error *err)
{
    for (size_t i = 0; i < ROWS; i++)
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
bool pool__host_is_valid(const char *host)
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
    if (!host || pool__host_is_valid(host))
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
                          tls_words[tls], v->socket);
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

bool pool__environment_is_safe(bool secure, struct pool_error *err)
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
    for (size_t i = 0; i < ROWS; i++)
        if (is_number(&table[i]) && !get_number(v, &table[i]))
            pool__option_set_number(v, &table[i], table[i].fallback);
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
static bool resolve(struct pool_options *v, struct pool_error *err)
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

bool pool__options_take(struct pool_options *ret, const struct pool_options *options,
                        size_t options_size, struct pool_error *err)
{
    const unsigned char *bytes = (const unsigned char *)options;
    for (size_t i = sizeof *ret; i < options_size; i++)
        if (bytes[i])
            return pool__fail(err, POOL_ERR_INVALID,
                              "an option at byte %zu is newer than this library, which knows %zu",
                              i, sizeof *ret);
    memset(ret, 0, sizeof *ret);
    memcpy(ret, options, options_size < sizeof *ret ? options_size : sizeof *ret);
    return true;
}

size_t pool__count_texts(const char *const *texts)
{
    size_t count = 0;
    while (texts && texts[count])
        count++;
    return count;
}

/* Whole pages that nothing else lives in, so that the advice cannot hit anything else.
 * A kernel that does not know one of them (before Linux 4.14) goes without. */
static char *map_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, size, MADV_DONTDUMP);
    madvise(memory, size, MADV_WIPEONFORK);
    return memory;
}

static size_t bytes_of(const char *const *texts)
{
    size_t bytes = 0;
    for (; texts && *texts; texts++)
        bytes += strlen(*texts) + 1;
    return bytes;
}

/* The arrays come first in the block because they need alignment. */
static size_t pointers_needed(const struct pool_options *v)
{
    return pool__count_texts(v->init_sql) + 1 + pool__count_texts(v->session_variables) + 1;
}

static size_t memory_needed(struct pool_options *v)
{
    size_t size = pointers_needed(v) * sizeof(char *) + bytes_of(v->init_sql) +
                  bytes_of(v->session_variables);
    for (size_t i = 0; i < ROWS; i++)
        if (table[i].kind == POOL__OPTION_TEXT && *text_of(v, &table[i]))
            size += length_of(*text_of(v, &table[i])) + 1;
    return size;
}

/* Moves a text to *at, and *at behind it. */
static const char *move_text(char **at, const char *text)
{
    size_t size = length_of(text) + 1;
    char *copy = *at;
    copy_text(copy, text, size);
    *at += size;
    return copy;
}

/* Moves the texts to *at and an array of them to *array, and both behind them. NULL for none. */
static const char *const *move_array(const char ***array, char **at, const char *const *texts)
{
    const char **moved = *array;
    if (!pool__count_texts(texts))
        return NULL;
    for (; *texts; texts++)
        *(*array)++ = move_text(at, *texts);
    *(*array)++ = NULL;
    return moved;
}

static void move_texts(struct pool__options *o)
{
    struct pool_options *v = &o->v;
    const char **array = (const char **)(void *)o->memory;
    char *at = o->memory + pointers_needed(v) * sizeof(char *);
    v->init_sql = move_array(&array, &at, v->init_sql);
    v->session_variables = move_array(&array, &at, v->session_variables);
    for (size_t i = 0; i < ROWS; i++)
        if (table[i].kind == POOL__OPTION_TEXT && *text_of(v, &table[i]))
            *text_of(v, &table[i]) = move_text(&at, *text_of(v, &table[i]));
}

/* The copy is ours, so the brackets can be taken off in place. */
static void take_brackets_off(struct pool_options *v)
{
    char *host = (char *)v->host;
    if (*host != '[')
        return;
    host[strlen(host) - 1] = '\0';
    v->host = host + 1;
}

static void derive(struct pool__options *o)
{
    o->use_socket = o->v.socket != NULL;
    o->tls = o->v.tls;
    o->auth_plugins = o->v.auth_plugins;
}

bool pool__options_init(struct pool__options *ret, const struct pool_options *options,
                        size_t options_size, struct pool_error *err)
{
    struct pool__options o = {0};
    if (!options)
        return pool__fail(err, POOL_ERR_INVALID, "'options' is NULL");
    if (!pool__environment_is_safe(getauxval(AT_SECURE) != 0, err))
        return false;
    if (!pool__options_take(&o.v, options, options_size, err) || !resolve(&o.v, err))
        return false;
    if (!pool__setup_init(&o.setup, &o.v, err))
        return false;
    o.memory_size = memory_needed(&o.v);
    o.memory = map_memory(o.memory_size);
    if (!o.memory) {
        pool__setup_fini(&o.setup);
        return pool__fail(err, POOL_ERR_NOMEM, "no memory for a copy of the options");
    }
    move_texts(&o);
    take_brackets_off(&o.v);
    derive(&o);
    *ret = o;
    return true;
}

void pool__options_fini(struct pool__options *options)
{
    pool__setup_fini(&options->setup);
    if (options->memory) {
        explicit_bzero(options->memory, options->memory_size);
        munmap(options->memory, options->memory_size);
    }
    memset(options, 0, sizeof *options);
}
