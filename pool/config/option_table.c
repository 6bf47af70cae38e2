/*
 * The table of all options that are a text, a number, a flag or a choice: what each is called, what
 * it defaults to and how far it may go. The checks, the copy and the URL parser read it, so that
 * they cannot disagree.
 */
#include "config/option_table.h"

#include <sys/un.h>

#define MIB (UINT64_C(1) << 20)
#define THIRTY_DAYS UINT64_C(2592000000)
#define NONE UINT32_MAX

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

void *pool__option_table_field(struct pool_options *options, const struct pool__option *option)
{
    return (char *)options + option->offset;
}

bool pool__option_table_in_range(const struct pool__option *option, uint64_t number)
{
    if (option->word && number == UINT32_MAX)
        return true;
    return number >= option->min && number <= option->max;
}

void pool__option_table_set_number(struct pool_options *options, const struct pool__option *option,
                                   uint64_t number)
{
    void *field = pool__option_table_field(options, option);
    if (option->kind == POOL__OPTION_SIZE)
        *(size_t *)field = (size_t)number;
    else
        *(uint32_t *)field = (uint32_t)number;
}

const char *pool__option_table_tls_word(enum pool_tls_mode tls)
{
    return tls_words[tls];
}

const char **pool__option_table_text(struct pool_options *options,
                                     const struct pool__option *option)
{
    return pool__option_table_field(options, option);
}
