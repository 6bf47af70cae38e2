/*
 * mypool - a MySQL and MariaDB connection pool for C and C++.
 *
 * This is the only public header. It needs nothing beyond the C or C++ standard
 * library, and compiles as C11 and newer and as C++11 and newer.
 *
 *     struct pool_error err;
 *     struct pool *pool = pool_create_url("mysql://app:secret@db.example/shop", &err);
 *     struct pool_result *rows = pool_query(pool,
 *         "SELECT id, name FROM users WHERE city = ? AND age > ?",
 *         POOL_ARGS("Seoul", 30), &err);
 *     if (!rows)
 *         fprintf(stderr, "%s: %s\n", pool_code_name(err.code), err.message);
 *     int64_t id;
 *     const char *name;
 *     while (pool_next(rows) && POOL_SCAN(rows, &id, &name))
 *         printf("%lld %s\n", (long long)id, name);
 *     if (pool_result_error(rows))
 *         fprintf(stderr, "%s\n", pool_result_error(rows)->message);
 *     pool_result_free(rows);
 *
 * Conventions. Every function that can fail takes a `struct pool_error *err`
 * last; it may be NULL; on success it is left with code POOL_OK. Functions
 * that return bool return true on success. Out-parameters (ret_...) are left
 * untouched on failure. Times are milliseconds in a uint32_t and end in _ms, POOL_NEVER is
 * without end; they are measured on the monotonic clock. Text is UTF-8. The line "threads:" of a
 * function says from which threads it may be called, "callback:" whether it may be called
 * inside a hook or a callback of the same pool; where several functions follow one comment it is
 * for all of them. A function whose name ends in _with takes a request: a struct with what is
 * rarely wanted, in which zero means the default.
 *
 * Structs that a program fills end in `reserved`, which has to be zero: fields to come are taken
 * from it, so that neither their size nor what stands before it changes. A library that finds
 * something there refuses it as newer than itself (POOL_ERR_INVALID).
 */
#ifndef MYPOOL_H
#define MYPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#if __cplusplus < 201103L
#error "mypool.h needs C++11"
#endif
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>
#if defined __cpp_exceptions || defined __EXCEPTIONS
#include <exception>
#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif
/* These names are those of functions at the end of this header, which take exceptions out
 * of the program's functions past the C code; here the C functions get others. */
#define POOL__CARRIES
#pragma redefine_extname pool__c_stream pool_stream
#pragma redefine_extname pool__c_stream_with pool_stream_with
#pragma redefine_extname pool__c_conn_stream pool_conn_stream
#pragma redefine_extname pool__c_conn_stream_with pool_conn_stream_with
#pragma redefine_extname pool__c_batch_with pool_batch_with
#pragma redefine_extname pool__c_conn_batch_with pool_conn_batch_with
#pragma redefine_extname pool__c_transaction pool_transaction
#pragma redefine_extname pool__c_transaction_with pool_transaction_with
#define pool_stream pool__c_stream
#define pool_stream_with pool__c_stream_with
#define pool_conn_stream pool__c_conn_stream
#define pool_conn_stream_with pool__c_conn_stream_with
#define pool_batch_with pool__c_batch_with
#define pool_conn_batch_with pool__c_conn_batch_with
#define pool_transaction pool__c_transaction
#define pool_transaction_with pool__c_transaction_with
#endif
/* A function pool_stats beside a struct pool_stats, and structs without constructors: plain C. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Weffc++"
extern "C" {
#endif

#define POOL_VERSION "0.1.0"

struct pool;        /* a pool of connections to one database server */
struct pool_result; /* the rows that a statement returned */

/* ------------------------------------------------------------------------
 * Errors
 */

/* X(identifier, "NAME", "what it means"): the one table of outcomes. */
#define POOL_CODES(X)                                                                              \
    X(POOL_OK, "POOL_OK", "success")                                                               \
    X(POOL_ERR_INVALID, "POOL_INVALID", "an argument or an option is wrong")                       \
    X(POOL_ERR_NOMEM, "POOL_NOMEM", "out of memory")                                               \
    X(POOL_ERR_CLOSED, "POOL_CLOSED", "the pool is closed or being closed")                        \
    X(POOL_ERR_TIMEOUT, "POOL_TIMEOUT", "no connection became free before the deadline")           \
    X(POOL_ERR_QUEUE_LIMIT, "POOL_ENQUEUELIMIT", "queue_limit callers are waiting already")        \
    X(POOL_ERR_NO_CONNECTION, "POOL_CONNLIMIT", "no connection is free and waiting is off")        \
    X(POOL_ERR_CONNECT, "POOL_CONNECT", "the server cannot be reached")                            \
    X(POOL_ERR_AUTH, "POOL_AUTH", "the server refused the user, password or database")             \
    X(POOL_ERR_TLS, "POOL_TLS", "no TLS, or the server could not prove who it is")                 \
    X(POOL_ERR_LOST, "POOL_LOST", "the connection was lost during the call")                       \
    X(POOL_ERR_QUERY_TIMEOUT, "POOL_QUERY_TIMEOUT", "the statement did not end in time")           \
    X(POOL_ERR_CANCELLED, "POOL_CANCELLED", "the call was cancelled")                              \
    X(POOL_ERR_SERVER, "POOL_SERVER", "the server refused the statement")                          \
    X(POOL_ERR_TOO_BIG, "POOL_TOO_BIG", "a row, a result or a packet is over its limit")           \
    X(POOL_ERR_STALE, "POOL_STALE", "the handle was released, or belongs to another process")      \
    X(POOL_ERR_UNSUPPORTED, "POOL_UNSUPPORTED", "not supported by this server or library")         \
    X(POOL_ERR_NO_ROW, "POOL_NO_ROW", "the statement returned no row, and one was asked for")      \
    X(POOL_ERR_ROLLED_BACK, "POOL_ROLLED_BACK", "the transaction function chose to roll back")

enum pool_code {
#define POOL_CODE_ENUM(id, name, text) id,
    POOL_CODES(POOL_CODE_ENUM)
#undef POOL_CODE_ENUM
    /* The last of them. */
    POOL_CODE_LAST = POOL_ERR_ROLLED_BACK
};

struct pool_error {
    enum pool_code code;    /* POOL_OK = 0 */
    unsigned server_errno;  /* ER_... of the server or CR_... of the client library, 0 if none */
    char sqlstate[6];       /* "" if none */
    bool fatal;             /* the connection is gone (a pool_conn must still be released) */
    bool not_executed;      /* proven: the statement did not run, sending it again is safe */
    bool retry_transaction; /* deadlock and kin: run the whole transaction again */
    char message[512];      /* what happened, where the time went, the last connect error */
};

/* The name of a code, such as "POOL_CLOSED" (Node's name where Node has one).
 * Never NULL. threads: any. callback: yes. */
const char *pool_code_name(enum pool_code code);

/* Fills in an error, for functions of the program's that are given one: those of transactions
 * and of the set-up. `err` may be NULL; the message is like printf's, cut to what fits, and may be
 * made of err->message. If `err` has that code already the failure is the same in other words, and
 * keeps what else is known of it (server_errno, retry_transaction and so on); otherwise that is
 * cleared. Returns false, so that it can be what the function returns.
 * threads: any. callback: yes. */
bool pool_error_set(struct pool_error *err, enum pool_code code, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* Errors of the server that programs ask for, as they are in server_errno: X(identifier,
 * number). The names are the servers' own with POOL_ before them; where the number has two,
 * or belongs to one of the servers alone, a comment says so. */
/* clang-format off */
#define POOL_SERVER_ERRORS(X)                                                                      \
    X(POOL_ER_CON_COUNT_ERROR, 1040)             /* too many connections */                        \
    X(POOL_ER_DBACCESS_DENIED_ERROR, 1044)       /* to the database */                             \
    X(POOL_ER_ACCESS_DENIED_ERROR, 1045)         /* user or password */                            \
    X(POOL_ER_BAD_NULL_ERROR, 1048)              /* NULL in a NOT NULL column */                   \
    X(POOL_ER_BAD_DB_ERROR, 1049)                /* unknown database */                            \
    X(POOL_ER_TABLE_EXISTS_ERROR, 1050)                                                            \
    X(POOL_ER_BAD_TABLE_ERROR, 1051)             /* unknown table in DROP */                       \
    X(POOL_ER_BAD_FIELD_ERROR, 1054)             /* unknown column */                              \
    X(POOL_ER_DUP_ENTRY, 1062)                   /* duplicate key */                               \
    X(POOL_ER_PARSE_ERROR, 1064)                 /* syntax */                                      \
    X(POOL_ER_WRONG_VALUE_COUNT_ON_ROW, 1136)                                                      \
    X(POOL_ER_TABLEACCESS_DENIED_ERROR, 1142)                                                      \
    X(POOL_ER_COLUMNACCESS_DENIED_ERROR, 1143)                                                     \
    X(POOL_ER_NO_SUCH_TABLE, 1146)                                                                 \
    X(POOL_ER_NET_PACKET_TOO_LARGE, 1153)        /* over max_allowed_packet */                     \
    X(POOL_ER_TOO_MANY_USER_CONNECTIONS, 1203)                                                     \
    X(POOL_ER_LOCK_WAIT_TIMEOUT, 1205)                                                             \
    X(POOL_ER_LOCK_DEADLOCK, 1213)                                                                 \
    X(POOL_ER_NO_REFERENCED_ROW, 1216)           /* foreign key; no name: see ..._2 */             \
    X(POOL_ER_ROW_IS_REFERENCED, 1217)           /* foreign key; no name: see ..._2 */             \
    X(POOL_ER_SPECIFIC_ACCESS_DENIED_ERROR, 1227) /* a privilege is missing */                     \
    X(POOL_ER_WARN_DATA_OUT_OF_RANGE, 1264)      /* a number is out of range for its column */     \
    X(POOL_WARN_DATA_TRUNCATED, 1265)            /* such as what is no member of an ENUM */        \
    X(POOL_ER_OPTION_PREVENTS_STATEMENT, 1290)   /* such as --read-only */                         \
    X(POOL_ER_TRUNCATED_WRONG_VALUE, 1292)       /* such as an impossible date */                  \
    X(POOL_ER_SP_DOES_NOT_EXIST, 1305)           /* unknown procedure or function */               \
    X(POOL_ER_QUERY_INTERRUPTED, 1317)           /* KILL QUERY */                                  \
    X(POOL_ER_NO_DEFAULT_FOR_FIELD, 1364)                                                          \
    X(POOL_ER_DIVISION_BY_ZERO, 1365)                                                              \
    X(POOL_ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, 1366) /* such as text in a number */                \
    X(POOL_ER_DATA_TOO_LONG, 1406)                                                                 \
    X(POOL_ER_ROW_IS_REFERENCED_2, 1451)         /* foreign key: others refer to the row */        \
    X(POOL_ER_NO_REFERENCED_ROW_2, 1452)         /* foreign key: the row does not exist */         \
    X(POOL_ER_MAX_PREPARED_STMT_COUNT_REACHED, 1461)                                               \
    X(POOL_ER_DUP_ENTRY_WITH_KEY_NAME, 1586)                                                       \
    X(POOL_ER_SIGNAL_EXCEPTION, 1644)            /* SIGNAL without a number of its own */          \
    X(POOL_ER_DATA_OUT_OF_RANGE, 1690)           /* the value of an expression */                  \
    X(POOL_ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, 1792)                                         \
    X(POOL_ER_MUST_CHANGE_PASSWORD, 1820)                                                          \
    X(POOL_ER_READ_ONLY_MODE, 1836)                                                                \
    X(POOL_ER_STATEMENT_TIMEOUT, 1969)           /* MariaDB: max_statement_time */                 \
    X(POOL_ER_QUERY_TIMEOUT, 3024)               /* MySQL: max_execution_time */                   \
    X(POOL_ER_LOCK_NOWAIT, 3572)                 /* MySQL; MariaDB says LOCK_WAIT_TIMEOUT */       \
    X(POOL_ER_CHECK_CONSTRAINT_VIOLATED, 3819)   /* MySQL */                                       \
    X(POOL_ER_CONSTRAINT_FAILED, 4025)           /* MariaDB: a check constraint */
/* clang-format on */

enum pool_server_error {
#define POOL_SERVER_ERROR_ENUM(id, number) id = number,
    POOL_SERVER_ERRORS(POOL_SERVER_ERROR_ENUM)
#undef POOL_SERVER_ERROR_ENUM
};

/* "ER_DUP_ENTRY" for 1062; NULL for a number that is not in the list. threads: any.
 * callback: yes. */
const char *pool_server_error_name(unsigned server_errno);

/* ------------------------------------------------------------------------
 * Values: what goes into placeholders
 */

enum pool_type {
    POOL_TYPE_NULL,
    POOL_TYPE_INT,      /* every signed integer, 8 to 64 bits */
    POOL_TYPE_UINT,     /* every unsigned integer, YEAR, BIT */
    POOL_TYPE_FLOAT,    /* FLOAT, 32 bits; columns only */
    POOL_TYPE_DOUBLE,   /* DOUBLE, 64 bits */
    POOL_TYPE_DECIMAL,  /* exact, as text */
    POOL_TYPE_TEXT,     /* CHAR, TEXT, ENUM, SET, JSON, UUID, INET4, INET6 */
    POOL_TYPE_BYTES,    /* BINARY, BLOB, GEOMETRY */
    POOL_TYPE_DATE,     /* year, month, day */
    POOL_TYPE_TIME,     /* a signed span of up to 838:59:59.999999 */
    POOL_TYPE_DATETIME, /* DATETIME and TIMESTAMP */
    POOL_TYPE_LIST,     /* values of IN (?); arguments only */
    POOL_TYPE_LAST = POOL_TYPE_LIST
};

/* "INT", "DATETIME", "LIST": what follows POOL_TYPE_. Never NULL. threads: any. callback: yes. */
const char *pool_type_name(enum pool_type type);

/* A date, a time, or both. Zero dates (0000-00-00, 2024-00-00) are kept as
 * they are. A TIME has its hours (0 to 838) in `hour` and no days. */
struct pool_time {
    enum pool_type type;  /* POOL_TYPE_DATE, POOL_TYPE_TIME or POOL_TYPE_DATETIME */
    unsigned year;        /* 0 to 9999 */
    unsigned month;       /* 0 to 12 */
    unsigned day;         /* 0 to 31 */
    unsigned hour;        /* 0 to 23; 0 to 838 in a TIME */
    unsigned minute;      /* 0 to 59 */
    unsigned second;      /* 0 to 59 */
    unsigned microsecond; /* 0 to 999999 */
    bool negative;        /* a TIME below zero */
};

struct pool_bytes {
    const void *data;
    size_t len;
};

/* One value. Text, bytes and lists are borrowed: they must stay valid until the
 * call that takes the value returns. Make values with the functions below. */
struct pool_value {
    enum pool_type type;
    const char *name; /* of a :name placeholder, or NULL for a ? */
    union {
        int64_t i;
        uint64_t u;
        double d;
        struct pool_bytes bytes; /* TEXT, BYTES and DECIMAL */
        struct pool_time time;
        struct {
            const struct pool_value *values;
            size_t count;
        } list;
    } as;
};

/* All the values of one call. Functions take a pool_args_view, which owns nothing; what a
 * program keeps is a struct pool_args.
 *
 * In C both are the same, and the values of a POOL_ARGS live until the end of the block in
 * which it stands. That of an inner block must not leave it:
 *
 *     if (city)
 *         request.args = POOL_ARGS(city);   the block of an `if` ends here, even without braces
 *
 * In C++ a struct pool_args owns its values, and so does the `args` of a struct pool_request:
 * there the line above is right. Copies share the values, on whatever threads. Text and bytes
 * are borrowed as ever, but the text of a std::string that is a temporary is copied. Between
 * functions in C and in C++ only a pool_args_view can be passed by value. */
#ifdef __cplusplus
struct pool_args_view {
    const struct pool_value *values;
    size_t count;
};
/* clang-format off */
extern "C++" {
struct pool__arg;
template <size_t N> struct pool__held;

/* A member that can be read, and is written by its owner alone. */
template <class T> class pool__field {
  public:
    operator T() const noexcept { return is; }

  private:
    friend struct pool_args;
    constexpr explicit pool__field(T v) noexcept : is(v) {}
    pool__field(const pool__field &) = default;
    pool__field &operator=(const pool__field &) = default;
    T is;
};

struct pool_args {
    pool__field<const struct pool_value *> values;
    pool__field<size_t> count;

    constexpr pool_args() noexcept : values(nullptr), count(0) {}
    /* Copies the values, and those of lists among them. std::bad_alloc if memory is out. */
    pool_args(const struct pool_value *from, size_t n) : values(nullptr), count(n) { own(from); }
    constexpr pool_args(std::nullptr_t) noexcept : values(nullptr), count(0) {}
    template <size_t N> pool_args(const pool__held<N> &held);
    template <size_t N> explicit pool_args(const pool__arg (&from)[N]) : values(nullptr), count(N)
    {
        own(from);
    }
    pool_args(const pool_args &other) noexcept : values(other.values), count(other.count)
    {
        share();
    }
    pool_args(pool_args &&other) noexcept : values(other.values), count(other.count)
    {
        other.values.is = nullptr;
        other.count.is = 0;
    }
    pool_args &operator=(const pool_args &other) noexcept
    {
        pool_args copy(other);
        swap(copy);
        return *this;
    }
    pool_args &operator=(pool_args &&other) noexcept
    {
        pool_args taken(static_cast<pool_args &&>(other));
        swap(taken);
        return *this;
    }
    ~pool_args() { drop(); }
    operator struct pool_args_view() const noexcept { return {values, count}; }

  private:
    template <class T> void own(const T *from);
    void share() const noexcept;
    void drop() noexcept;
    void swap(pool_args &other) noexcept
    {
        const struct pool_value *were = values;
        size_t was = count;
        values.is = other.values;
        count.is = other.count;
        other.values.is = were;
        other.count.is = was;
    }
};
static_assert(sizeof(struct pool_args) == sizeof(struct pool_args_view) &&
                  std::is_standard_layout<struct pool_args>::value,
              "the library reads a struct pool_args as that of C");
} /* extern "C++" */
/* clang-format on */
#else
struct pool_args {
    const struct pool_value *values;
    size_t count;
};
typedef struct pool_args pool_args_view;
#endif

/* A NULL text is the SQL NULL. threads: any. callback: yes. */
struct pool_value pool_null(void);
struct pool_value pool_int(int64_t value);
struct pool_value pool_uint(uint64_t value);
struct pool_value pool_double(double value);
struct pool_value pool_text(const char *text);
struct pool_value pool_text_n(const char *text, size_t len);
struct pool_value pool_bytes(const void *data, size_t len);
struct pool_value pool_decimal(const char *digits); /* such as "-12.50" */
struct pool_value pool_time(struct pool_time time);
/* Several values for one placeholder, not nested. They had better be of one kind: what 1 IN
 * (1, '1x') means is up to the server. As an element of IN (...) the list is padded with repeated
 * last values up to a power of two, so that few different statements are cached; anywhere else it
 * is exactly its values. Nothing is IN an empty list, and everything, NULL included, is NOT IN it;
 * elsewhere an empty list is POOL_ERR_INVALID. threads: any. callback: yes. */
struct pool_value pool_list(const struct pool_value *values, size_t count);
/* For a :name placeholder. threads: any. callback: yes. */
struct pool_value pool_named(const char *name, struct pool_value value);

/* ------------------------------------------------------------------------
 * Options
 */

#define POOL_UNLIMITED UINT32_MAX /* for limits */
#define POOL_NEVER UINT32_MAX     /* for times: no timeout, no retirement, no report */

enum pool_reset_policy {
    POOL_RESET_AUTO,   /* reset unless the connection is proven clean */
    POOL_RESET_ALWAYS, /* reset after every borrow */
    POOL_RESET_NEVER,  /* never: session state is the program's own affair */
    POOL_RESET_LAST = POOL_RESET_NEVER
};

enum pool_isolation {
    POOL_ISOLATION_DEFAULT, /* the server's */
    POOL_ISOLATION_READ_UNCOMMITTED,
    POOL_ISOLATION_READ_COMMITTED,
    POOL_ISOLATION_REPEATABLE_READ,
    POOL_ISOLATION_SERIALIZABLE,
    POOL_ISOLATION_LAST = POOL_ISOLATION_SERIALIZABLE
};

enum pool_tls_mode {
    POOL_TLS_DEFAULT, /* off on Unix sockets and loopback addresses, VERIFY elsewhere */
    POOL_TLS_OFF,
    POOL_TLS_VERIFY,            /* encrypted; chain and host name verified */
    POOL_TLS_UNVERIFIED_UNSAFE, /* encrypted, but to anybody: open to a man in the middle */
    POOL_TLS_LAST = POOL_TLS_UNVERIFIED_UNSAFE
};

/* What the credentials callback fills in. */
struct pool_credentials {
    const char *user;     /* preset to the configured user; not copied */
    const char *password; /* preset to the configured password */
};

/* Called before each connect, without any lock, on a pool thread (or in pool_end, which
 * has to wait for it); may be slow (a secrets service), and may run on several threads at once.
 * What it points the strings to must stay valid until the connect is over: keep it, do not free it
 * on return. `refresh` is true when the server has just refused the credentials that were given
 * before. False means that there are none: the connect fails with POOL_ERR_AUTH. */
typedef bool pool_credentials_fn(struct pool_credentials *credentials, bool refresh, void *arg);

/* A connection that is being set up; usable with pool_setup_query only. */
struct pool_setup;

/* Runs after the init SQL, before the first hand-out and again after each
 * reset, on a pool thread. False closes the connection. */
typedef bool pool_init_fn(struct pool_setup *setup, void *arg, struct pool_error *err);

/* Why a connection was closed. */
enum pool_close_reason {
    POOL_CLOSE_SERVER,    /* the server, or the network, closed it */
    POOL_CLOSE_ERROR,     /* a call on it failed fatally */
    POOL_CLOSE_TIMEOUT,   /* a statement passed its deadline */
    POOL_CLOSE_IDLE,      /* idle_timeout_ms */
    POOL_CLOSE_LIFETIME,  /* max_lifetime_ms */
    POOL_CLOSE_DESTROYED, /* pool_conn_destroy */
    POOL_CLOSE_RESET,     /* the reset failed, or could not have made the session like a new one */
    POOL_CLOSE_READ_ONLY, /* the server became read-only */
    POOL_CLOSE_END,       /* pool_end */
    POOL_CLOSE_LAST = POOL_CLOSE_END
};

enum pool_state {
    POOL_STATE_UP,       /* connects succeed, or none has been tried */
    POOL_STATE_RETRYING, /* the last connect failed, or led to a server that refuses writes as
                            read-only; the next is delayed */
    POOL_STATE_DOWN,     /* nothing is open and connects fail: callers fail fast */
    POOL_STATE_LAST = POOL_STATE_DOWN
};

/* Names for logs and labels of metrics: "up", "retrying", "down"; what follows POOL_CLOSE_, as
 * "server" or "read_only"; and of options what a URL calls them, as "auto", "read-committed",
 * "verify". "unknown" for what is none. Never NULL. threads: any. callback: yes. */
const char *pool_state_name(enum pool_state state);
const char *pool_close_reason_name(enum pool_close_reason reason);
const char *pool_reset_policy_name(enum pool_reset_policy policy);
const char *pool_isolation_name(enum pool_isolation isolation);
const char *pool_tls_mode_name(enum pool_tls_mode mode);

/* Hooks are called without any lock, on whichever thread does the work; they
 * must be quick, and blocking functions of the pool are refused inside them. Any may be
 * NULL. on_enqueue says that a call waits for another caller, and not just for the pool, which
 * opens, resets, looks after or closes a connection; whether it does is decided when it begins
 * to wait. Each on_enqueue is followed by exactly one on_acquire or by the error of
 * that call; each on_acquire by exactly one on_release; each on_connection by
 * exactly one on_close. on_query is called once for each call that pool_stats counts in
 * queries, at its end, before the callback; elapsed_ns is the time of the whole call, its waits
 * and further attempts included. on_state runs on one thread at a time; what changes
 * meanwhile is told afterwards, so the last state told is the present one. It is
 * also called once by pool_create, with POOL_STATE_UP and a text, if libmariadb is
 * older than 3.3.20 (or 3.4.10) and should be replaced. `label` is "" for calls without one. */
struct pool_hooks {
    void (*on_connection)(unsigned long thread_id, void *arg);
    void (*on_enqueue)(void *arg);
    void (*on_acquire)(uint64_t waited_ns, void *arg);
    void (*on_release)(uint64_t held_ns, void *arg);
    void (*on_close)(enum pool_close_reason reason, unsigned long thread_id, void *arg);
    void (*on_query)(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                     enum pool_code code, void *arg);
    void (*on_state)(enum pool_state state, const char *cause, void *arg);
    void (*on_leak)(const char *label, uint32_t held_ms, void *arg);
    void *arg;          /* for each of them */
    void *reserved[16]; /* zero */
};

/*
 * Use designated initialisers; zero means the default. Each line: meaning;
 * unit; default; range; [name in a URL, Node's where Node has one].
 */
/* clang-format off */
struct pool_options {
    /* The server. */
    const char *host;     /* name or address; default "localhost" by TCP [authority of the URL] */
    unsigned port;        /* TCP port; default 3306; 1 to 65535 [authority] */
    const char *socket;   /* path of a Unix socket, instead of host and port [socketPath] */
    const char *user;     /* required unless credentials is set [authority] */
    const char *password; /* default "" [authority] */
    const char *database; /* default none [path] */
    pool_credentials_fn *credentials; /* asked before each connect; default user and password */
    void *credentials_arg;
    const char *application_name; /* connection attribute program_name; default none
                                     [applicationName] */

    /* TLS and logins. */
    enum pool_tls_mode tls; /* [tls=default|off|verify|unverified-unsafe] */
    const char *tls_ca;     /* PEM file of the authorities; default the system's [tlsCa] */
    const char *tls_cert;   /* PEM file of the client's certificate [tlsCert] */
    const char *tls_key;    /* PEM file of its key [tlsKey] */
    const char *auth_plugins; /* comma-separated allow-list; default mysql_native_password,
                                 client_ed25519 and, with verified TLS or on a Unix socket,
                                 caching_sha2_password [authPlugins] */

    /* How many connections, and for how long. */
    unsigned connection_limit; /* connections at most; default 10; 1 to 4096 [connectionLimit] */
    unsigned min_idle;         /* kept open even if unused; default 0; 0 to connection_limit
                                  [minIdle] */
    uint32_t idle_timeout_ms;  /* close what is idle longer; default 60000; or POOL_NEVER
                                  [idleTimeout] */
    uint32_t max_lifetime_ms;  /* retire older ones; default 1800000, less up to 25 % at random;
                                  or POOL_NEVER [maxLifetime] */
    uint32_t keepalive_ms;     /* ping what is idle longer; default 120000; or POOL_NEVER
                                  [keepalive] */

    /* Waiting for one. */
    uint32_t queue_limit;        /* callers that wait for others at most; default unlimited
                                    [queueLimit] */
    bool no_waiting;             /* fail with NO_CONNECTION instead of waiting for another caller;
                                    what the pool itself does with a connection is waited for all
                                    the same [waitForConnections=false] */
    uint32_t acquire_timeout_ms; /* wait for a connection; default 10000; or POOL_NEVER
                                    [acquireTimeout] */
    uint32_t connect_timeout_ms; /* one connect, all of it; default 5000 [connectTimeout] */
    uint32_t fair_after_ms;      /* newcomers may overtake a waiter younger than this; default 1
                                    [fairAfter] */
    uint32_t fail_fast_ms;       /* while nothing is open and connects fail, callers wait this long
                                    at most; default 1000; POOL_NEVER: their whole deadline
                                    [failFast] */
    uint32_t leak_after_ms;      /* report a connection that is out longer; default POOL_NEVER
                                    [leakAfter] */

    /* Statements and what they return. */
    uint32_t query_timeout_ms; /* one statement; default POOL_NEVER [queryTimeout] */
    unsigned statement_cache;  /* prepared statements per connection; default 256; 1 to 65535
                                  [statementCache] */
    unsigned pipeline_depth;   /* statements on their way at once on one connection; default 16;
                                  1 (never more than one) to 64; 1 whatever this says where the
                                  server is not known to cope [pipelineDepth] */
    bool no_prepare;           /* send everything as text [prepare=false] */
    bool multi_statements;     /* allow several statements in one text request; default no
                                  [multipleStatements] */
    bool use_affected_rows;    /* pool_affected_rows of an UPDATE counts the rows that changed;
                                  default those that matched [useAffectedRows] */
    uint32_t max_rows;         /* rows of one result set; default unlimited [maxRows] */
    size_t max_result_bytes;   /* memory of one result; default 256 MiB [maxResultBytes] */
    size_t max_packet_bytes;   /* packet to or from the server; default 64 MiB; 4 KiB to 1 GiB
                                  [maxPacketBytes] */

    /* What each session begins with, at its open and after each reset, without a round trip
     * of its own (but for init_sql and init). A server that refuses one fails the connect with the
     * option's name. */
    enum pool_reset_policy reset_policy; /* default AUTO [resetPolicy=auto|always|never] */
    bool no_autocommit;      /* sessions begin with autocommit off; default on, whatever the server
                                says [autocommit=false] */
    const char *sql_mode;    /* modes with commas; "" for none; default the server's [sqlMode] */
    const char *time_zone;   /* "+02:00", "Europe/Berlin" (if the server has the names), "SYSTEM":
                                TIMESTAMP columns and NOW() arrive in it; default the server's
                                [timeZone] */
    enum pool_isolation isolation; /* of transactions; default the server's [isolation=default|
                                read-uncommitted|read-committed|repeatable-read|serializable] */
    const char *collation;   /* of literals and values, one of utf8mb4; default the server's for
                                utf8mb4 [collation] */
    const char *const *session_variables; /* "name=value", NULL-terminated; a number, DEFAULT, TRUE
                                or FALSE goes as it is, anything else, and what is in '', as a
                                text; default none [var.NAME=value, once for each] */
    const char *const *init_sql; /* statements for each new or reset connection, NULL-terminated */
    pool_init_fn *init;          /* the same in C, after init_sql */
    void *init_arg;

    /* Silence of the network, noticed by the kernel; without effect on Unix sockets. */
    uint32_t tcp_keepalive_ms; /* a connection on which nothing comes is probed after this, in whole
                                seconds, and three times more, a third of it apart: lost after
                                twice this; default 30000; 1000 to 32767000; or POOL_NEVER
                                [tcpKeepalive] */
    uint32_t tcp_user_timeout_ms; /* what was sent and is not acknowledged by the server's kernel
                                for this long (a quarter more at most) makes a connection lost, if
                                a call waits on it; default 60000; from 1000; or POOL_NEVER
                                [tcpUserTimeout] */

    /* The program. */
    bool manual_dispatch;    /* callbacks run in pool_dispatch alone; default on a thread of the
                                pool's [manualDispatch] */
    struct pool_hooks hooks; /* default none */

    uint64_t reserved[32]; /* zero */
};
/* clang-format on */

/* ------------------------------------------------------------------------
 * Life
 */

/* Makes a pool. Everything in `options` is validated and copied; the first wrong
 * option is named in err->message (POOL_ERR_INVALID). Connects lazily unless
 * min_idle > 0, and never fails because the server is down. A libmariadb older than
 * 3.3.14 is refused (POOL_ERR_UNSUPPORTED).
 * Returns NULL on failure. threads: any. callback: yes. */
struct pool *pool_create(const struct pool_options *options, struct pool_error *err);

/* The same from mysql://user:password@host:port/database?connectionLimit=10&...
 * User, password, host and database are percent-decoded; unknown, repeated or
 * malformed parameters are refused by name. The scheme may also be mariadb.
 * threads: any. callback: yes. */
struct pool *pool_create_url(const char *url, struct pool_error *err);

/* The same with options that a URL cannot give (hooks, callbacks, init_sql), and with
 * defaults of the program's own: what the URL says replaces what `base` says, and what it
 * does not say stays. The server is the URL's: its host replaces a socket of `base`, its
 * socketPath a host and port; variables (var.NAME) are joined by name. `base` and its
 * texts are not needed afterwards. threads: any. callback: yes. */
struct pool *pool_create_url_with(const char *url, const struct pool_options *base,
                                  struct pool_error *err);

/* Reads a URL into options; what the URL does not say is zero, whatever *ret_options was
 * before. The strings are one allocation, returned in *ret_memory, to be freed with free()
 * when the pool has been created; they contain the password. On failure both targets are
 * untouched. threads: any. callback: yes. */
bool pool_options_from_url(const char *url, struct pool_options *ret_options, void **ret_memory,
                           struct pool_error *err);

/* The same over options that are there already, as pool_create_url_with does: the URL
 * replaces what it says and keeps the rest. The texts of `options` must stay valid as long
 * as they are used. threads: any. callback: yes. */
bool pool_options_apply_url(const char *url, struct pool_options *options, void **ret_memory,
                            struct pool_error *err);

/* The first half of an end, for a program that has to go on meanwhile, such as one with a loop of
 * its own. From now on new calls on the pool are refused with POOL_ERR_CLOSED. What was accepted
 * before, and who waits already, is served as ever, until its own deadline: transactions and
 * their further attempts, streams, and whatever is done on borrowed connections. Returns at once
 * and may be repeated; pool_drained says when pool_end will find nothing to wait for.
 * threads: any. callback: yes. */
bool pool_drain(struct pool *pool, struct pool_error *err);

/* Whether nothing is on its way: no connection borrowed, nobody waiting, no callback to come. It
 * stays so only after pool_drain. False if `pool` is NULL. threads: any; never blocks.
 * callback: yes. */
bool pool_drained(struct pool *pool);

/* Refuses new calls at once, fails queued ones with POOL_ERR_CLOSED, lets running
 * ones finish for up to drain_ms, then cuts the rest, and frees the pool. Calls with
 * callbacks that were accepted before and are not queued yet are served within
 * drain_ms, too, if a connection is idle; no new one is opened for them. Returns
 * within drain_ms + 100 ms; true if nothing had to be cut. Connections that are
 * still borrowed are cut; their handles stay safe to release, and what is left
 * of the pool goes with the last of them. No other call may be started on the
 * pool once pool_end has returned. POOL_NEVER as drain_ms cuts nothing, however long that takes.
 * threads: any, once. callback: no (POOL_ERR_INVALID). */
bool pool_end(struct pool *pool, uint32_t drain_ms, struct pool_error *err);

/* Borrows a connection and sends a ping: is the service ready? threads: any. callback: no. */
bool pool_ping(struct pool *pool, struct pool_error *err);

/* A snapshot. Counters only ever grow; gauges are of the moment. Times are sums in
 * nanoseconds. Conservation: acquired = released + in_use; opened = closed + open
 * (once the pool is quiet). */
struct pool_stats {
    /* gauges */
    uint64_t open;       /* usable connections: idle, in use, or being reset */
    uint64_t idle;       /* ready to be borrowed */
    uint64_t in_use;     /* borrowed */
    uint64_t connecting; /* being opened */
    uint64_t closing;    /* being closed, or their statement is being killed */
    uint64_t waiting;    /* callers in the queue */
    uint64_t pending;    /* calls with callbacks that were accepted and have not ended */
    enum pool_state state;
    /* counters */
    uint64_t acquired; /* borrows, those of one statement on another's connection included */
    uint64_t released;
    uint64_t enqueued; /* borrows that had to wait for other callers */
    uint64_t acquire_timeouts;
    uint64_t acquire_failures; /* refused or failed for another reason */
    uint64_t opened;
    uint64_t connect_failures;
    uint64_t closed;
    uint64_t closed_by_reason[16]; /* by enum pool_close_reason */
    uint64_t resets;
    uint64_t pings;
    uint64_t kills;   /* statements killed after their deadline */
    uint64_t queries; /* ended calls that ran, or tried to run, a statement: each is one, however
                         often it was tried. A transaction begins and ends with one. Calls that
                         are refused for their arguments are none */
    uint64_t query_errors;   /* those of them that failed */
    uint64_t prepares;       /* statements prepared on the server */
    uint64_t statement_hits; /* found in a statement cache */
    uint64_t leaks;          /* connections reported as leaked */
    uint64_t waited_ns;      /* in the queue, by callers that were served */
    uint64_t pipelined;      /* statements that went along on another caller's connection */
    uint64_t reserved[64];   /* zero, or what a newer library counts */
};

/* Zeros if the pool is NULL, or of the process before a fork. threads: any; never blocks.
 * callback: yes. */
void pool_stats(struct pool *pool, struct pool_stats *ret_stats);

/* ------------------------------------------------------------------------
 * Queries
 */

struct pool_request {
    const char *sql;
    size_t sql_len; /* bytes; 0: sql is NUL-terminated */
    struct pool_args args;
    uint32_t timeout_ms;         /* whole call; 0: acquire timeout plus query timeout of the pool;
                                    or POOL_NEVER */
    uint32_t acquire_timeout_ms; /* 0: the pool's */
    const char *label;           /* call site, for hooks, leak reports and errors; copied
                                    (63 bytes) */
    bool text;                   /* do not prepare; needed for several statements in one request */
    bool idempotent;             /* may be sent again after a lost connection */
    bool alone;                  /* never pipelined with other callers' statements */
    bool pause_stops_deadline;   /* pool_stream_async_with: while the stream is paused its time does
                                    not run; default: it does */
    uint64_t reserved[4];        /* zero */
};

/* Runs one statement on a borrowed connection and gives the connection back.
 * Placeholders are `?`, or `:name` with POOL_NAMED values, not both; a wrong number of
 * values is told before a connection is waited for. The result
 * belongs to the caller (pool_result_free); NULL on failure.
 * threads: any. callback: no. */
struct pool_result *pool_query(struct pool *pool, const char *sql, pool_args_view args,
                               struct pool_error *err);
struct pool_result *pool_query_with(struct pool *pool, const struct pool_request *request,
                                    struct pool_error *err);

/* What a statement without rows has done. */
struct pool_outcome {
    uint64_t affected_rows; /* like pool_affected_rows */
    uint64_t insert_id;     /* like pool_insert_id */
    unsigned warnings;      /* like pool_warning_count */
    unsigned reserved[9];   /* zero */
};

/* Runs a statement of whose result only that is wanted; NULL: not even that. Rows are read and
 * dropped. Of several results (CALL) it is the last one that counts.
 * threads: any. callback: no. */
bool pool_exec(struct pool *pool, const char *sql, pool_args_view args,
               struct pool_outcome *ret_outcome, struct pool_error *err);
bool pool_exec_with(struct pool *pool, const struct pool_request *request,
                    struct pool_outcome *ret_outcome, struct pool_error *err);

/* Called for each row; `row` may be read with pool_get_... and POOL_SCAN until the
 * callback returns. False stops: the rest is not read. After a POOL_SCAN that failed the stream
 * stops, too, whatever is returned, and fails with pool_result_error. Must not use the pool's
 * blocking calls on the same connection. */
typedef bool pool_row_fn(struct pool_result *row, void *arg);

/* Reads rows one by one in constant memory. True if all rows were delivered or
 * the callback stopped; stopping early costs the connection. threads: any. callback: no. */
bool pool_stream(struct pool *pool, const char *sql, pool_args_view args, pool_row_fn *fn,
                 void *arg, struct pool_error *err);
bool pool_stream_with(struct pool *pool, const struct pool_request *request, pool_row_fn *fn,
                      void *arg, struct pool_error *err);

/* ------------------------------------------------------------------------
 * Batches: one INSERT, REPLACE, UPDATE or DELETE for many rows of values
 */

/* Called between the chunks of a batch, with no lock held: `done` of `rows` rows have been
 * executed (not committed yet, if the batch is atomic). False stops the batch with
 * POOL_ERR_CANCELLED. Runs on the thread of the call, or where callbacks run; must be quick
 * and must not use the connection of the batch. */
typedef bool pool_progress_fn(size_t done, size_t rows, void *arg);

struct pool_batch_request {
    const char *sql;                 /* a single statement with one ? for each column */
    size_t sql_len;                  /* bytes; 0: sql is NUL-terminated */
    const struct pool_value *values; /* rows * columns of them, row after row: no lists, no names,
                                        text is UTF-8; NULL only without rows */
    size_t rows;                     /* 0: nothing is sent, the result says 0 affected rows */
    size_t columns;                  /* 1 to 65535 */
    bool atomic;                /* all rows or none; else chunk by chunk, see pool_batch_with */
    pool_progress_fn *progress; /* NULL: none */
    void *progress_arg;
    uint32_t timeout_ms; /* whole call; 0: no limit but the pool's acquire_timeout_ms, and its
                            query_timeout_ms for each chunk */
    uint32_t acquire_timeout_ms; /* 0: the pool's */
    const char *label;    /* call site, for hooks, leak reports and errors; copied (63 bytes) */
    uint64_t reserved[4]; /* zero */
};

/* Executes the statement once for each row, in chunks of about 1 MiB, smaller than
 * max_packet_bytes and the server's max_allowed_packet: a chunk is one packet where server
 * and statement allow that (each ? is all of a value in VALUES, or stands behind `column =`),
 * else its rows go one by one. A chunk ends where a column gets a value of another type; NULL
 * goes with every type. The result, which belongs to the
 * caller, has the affected rows and the warnings of all rows, the first insert id that a
 * packet told, and with RETURNING the rows of all in one set. The values are borrowed until the
 * call returns.
 *
 * A chunk is executed wholly or not at all. When one fails, those before it stay executed,
 * and the message says which rows they are; with `atomic` nothing is left of any. Only tables
 * without transactions keep what was done to them; the message says what is known of that. On
 * a handle with an open transaction the batch is part of that, and `atomic` undoes the batch
 * alone. not_executed is true only if no row was sent. Wrong values are POOL_ERR_INVALID, by row
 * and column, before anything is sent; a row bigger than a packet is POOL_ERR_TOO_BIG, likewise.
 *
 * NULL on failure. threads: any. callback: no. */
struct pool_result *pool_batch_with(struct pool *pool, const struct pool_batch_request *request,
                                    struct pool_error *err);
/* The same with no more than that; not atomic. threads: any. callback: no. */
struct pool_result *pool_batch(struct pool *pool, const char *sql, const struct pool_value *values,
                               size_t rows, size_t columns, struct pool_error *err);

/* ------------------------------------------------------------------------
 * Results: the rows of statements, independent of the connection
 */

/* NULL is allowed. threads: one at a time. callback: yes. */
void pool_result_free(struct pool_result *result);

/* To the next row; false at the end, if NULL, and after a mistake (pool_result_error).
 * threads: one at a time. callback: yes. */
bool pool_next(struct pool_result *result);
/* To the next result set (CALL), before its first row. threads: one at a time. callback: yes. */
bool pool_next_set(struct pool_result *result);
/* Before the first row of the first set. threads: one at a time. callback: yes. */
void pool_rewind(struct pool_result *result);

/* What went wrong while the rows were read: the first value that POOL_SCAN found not to fit its
 * variable, with row and column from 1, or the first name that no column has. NULL if all went
 * well, or if `result` is NULL. It stays, and pool_next and pool_next_set are false, so that a
 * loop over the rows ends and this, asked after it, tells whether it has seen all of them.
 * pool_rewind forgets it. Valid until then, or until the result is freed.
 * threads: one at a time. callback: yes. */
const struct pool_error *pool_result_error(const struct pool_result *result);

/* The columns of the present set, from 0: NULL and POOL_TYPE_NULL for one that there is not.
 * threads: one at a time. callback: yes. */
unsigned pool_column_count(const struct pool_result *result);
const char *pool_column_name(const struct pool_result *result, unsigned column);
enum pool_type pool_column_type(const struct pool_result *result, unsigned column);
/* The first of that name, exactly or else but for the case of ASCII letters; -1 if none.
 * threads: one at a time. callback: yes. */
int pool_column_index(const struct pool_result *result, const char *name);

/* Of the present set. threads: one at a time. callback: yes. */
uint64_t pool_row_count(const struct pool_result *result);
/* The rows that an UPDATE has matched, whether or not they had the new values already; those
 * that INSERT, REPLACE or DELETE has written or removed; of a set with columns its rows. With
 * use_affected_rows those of an UPDATE that have changed. Upserts: see docs/queries.md.
 * threads: one at a time. callback: yes. */
uint64_t pool_affected_rows(const struct pool_result *result);
/* The rows that an UPDATE has really changed; of everything else pool_affected_rows. A server
 * that takes a batch of UPDATEs in bulk does not tell: then it is pool_affected_rows, too.
 * threads: one at a time. callback: yes. */
uint64_t pool_changed_rows(const struct pool_result *result);
/* What AUTO_INCREMENT gave, 0 if nothing; and how many warnings the server has.
 * threads: one at a time. callback: yes. */
uint64_t pool_insert_id(const struct pool_result *result);
unsigned pool_warning_count(const struct pool_result *result);

/* The value of a column of the current row. Numbers are converted like strtoll
 * and strtod would; what does not fit is clamped; text is of any type and NUL-terminated. NULL,
 * and a column or row that does not exist, is 0, NULL or false, true for pool_is_null. Pointers
 * live as long as the result. threads: one at a time. callback: yes. */
bool pool_is_null(const struct pool_result *result, unsigned column);
int64_t pool_get_int(const struct pool_result *result, unsigned column);
uint64_t pool_get_uint(const struct pool_result *result, unsigned column);
double pool_get_double(const struct pool_result *result, unsigned column);
const char *pool_get_text(struct pool_result *result, unsigned column);
const void *pool_get_bytes(struct pool_result *result, unsigned column, size_t *ret_len);
bool pool_get_time(const struct pool_result *result, unsigned column, struct pool_time *ret_time);

/* The same by the name of the column, without regard to the case of ASCII letters. A name that
 * no column has, or several have and none in just these letters, gives 0, NULL or false, true
 * for pool_is_null_by, and is told by pool_result_error.
 * threads: one at a time. callback: yes. */
bool pool_is_null_by(struct pool_result *result, const char *name);
int64_t pool_get_int_by(struct pool_result *result, const char *name);
uint64_t pool_get_uint_by(struct pool_result *result, const char *name);
double pool_get_double_by(struct pool_result *result, const char *name);
const char *pool_get_text_by(struct pool_result *result, const char *name);
const void *pool_get_bytes_by(struct pool_result *result, const char *name, size_t *ret_len);
bool pool_get_time_by(struct pool_result *result, const char *name, struct pool_time *ret_time);

/* Where POOL_SCAN puts a column. */
enum pool_target_type {
    POOL_TO_BOOL,
    POOL_TO_I8,
    POOL_TO_U8,
    POOL_TO_I16,
    POOL_TO_U16,
    POOL_TO_I32,
    POOL_TO_U32,
    POOL_TO_I64,
    POOL_TO_U64,
    POOL_TO_FLOAT,
    POOL_TO_DOUBLE,
    POOL_TO_TEXT,
    POOL_TO_BYTES,
    POOL_TO_TIME,
    POOL_TO_SKIP,     /* nowhere; `to` is NULL */
    POOL_TO_NEW_TEXT, /* char *, a copy to be freed with free(); of pool_query_one alone */
    POOL_TO_LAST = POOL_TO_NEW_TEXT
};
/* "I64", "NEW_TEXT": what follows POOL_TO_. Never NULL. threads: any. callback: yes. */
const char *pool_target_type_name(enum pool_target_type type);

struct pool_target {
    enum pool_target_type type;
    void *to;
};

/* Reads the first `count` columns of the current row. False, with nothing
 * written, if there is no row, there are fewer columns, or a value does not fit
 * its variable; all but the end of the rows is kept for pool_result_error. The SQL NULL
 * gives 0, NULL or an empty pool_bytes. Use POOL_SCAN; NULL (nullptr in C++) in place of a
 * variable skips its column. threads: one at a time. callback: yes. */
bool pool_scan(struct pool_result *result, const struct pool_target *targets, size_t count);

/* Runs a statement and reads the first `count` columns of its only row, like pool_scan. False,
 * with nothing written, if that fails: POOL_ERR_NO_ROW without a row, POOL_ERR_INVALID if there
 * are several (write LIMIT 1 if any will do) or a value does not fit. Nothing borrowed remains:
 * text goes into a char *, as a copy that the caller frees with free(), NULL for the SQL NULL;
 * POOL_TO_TEXT and POOL_TO_BYTES are refused. Use
 *
 *     POOL_QUERY_ONE(pool, "SELECT age, name FROM users WHERE id = ?", POOL_ARGS(7), &err,
 *                    &age, &name)
 *
 * threads: any. callback: no. */
bool pool_query_one(struct pool *pool, const char *sql, pool_args_view args,
                    const struct pool_target *targets, size_t count, struct pool_error *err);
bool pool_query_one_with(struct pool *pool, const struct pool_request *request,
                         const struct pool_target *targets, size_t count, struct pool_error *err);

/* ------------------------------------------------------------------------
 * Connections and transactions
 */

/* A borrowed connection, a value to be copied freely. {0} is no connection. Once
 * released or destroyed every copy is stale: calls on it fail with
 * POOL_ERR_STALE and touch nothing. One thread at a time: a second call while one
 * runs is refused with POOL_ERR_INVALID. */
struct pool_conn {
    struct pool *pool;
    uint64_t ticket;
};

/* Borrows a connection, unseen: one that died within the last millisecond may be among
 * them. Then the first call on it fails with POOL_ERR_LOST and, unless it was sent all
 * the same, not_executed: release it and borrow another one. Of the request timeout_ms or
 * acquire_timeout_ms, and label, are used. threads: any. callback: no. */
bool pool_get_connection(struct pool *pool, struct pool_conn *ret_conn, struct pool_error *err);
bool pool_get_connection_with(struct pool *pool, const struct pool_request *request,
                              struct pool_conn *ret_conn, struct pool_error *err);

/* The same as the functions of a pool with such names, on this connection; what a request says of
 * the wait for one is not used. threads: any. callback: no. */
struct pool_result *pool_conn_query(struct pool_conn conn, const char *sql, pool_args_view args,
                                    struct pool_error *err);
struct pool_result *pool_conn_query_with(struct pool_conn conn, const struct pool_request *request,
                                         struct pool_error *err);
bool pool_conn_exec(struct pool_conn conn, const char *sql, pool_args_view args,
                    struct pool_outcome *ret_outcome, struct pool_error *err);
bool pool_conn_exec_with(struct pool_conn conn, const struct pool_request *request,
                         struct pool_outcome *ret_outcome, struct pool_error *err);
bool pool_conn_query_one(struct pool_conn conn, const char *sql, pool_args_view args,
                         const struct pool_target *targets, size_t count, struct pool_error *err);
bool pool_conn_query_one_with(struct pool_conn conn, const struct pool_request *request,
                              const struct pool_target *targets, size_t count,
                              struct pool_error *err);
bool pool_conn_stream(struct pool_conn conn, const char *sql, pool_args_view args, pool_row_fn *fn,
                      void *arg, struct pool_error *err);
bool pool_conn_stream_with(struct pool_conn conn, const struct pool_request *request,
                           pool_row_fn *fn, void *arg, struct pool_error *err);
struct pool_result *pool_conn_batch(struct pool_conn conn, const char *sql,
                                    const struct pool_value *values, size_t rows, size_t columns,
                                    struct pool_error *err);
struct pool_result *pool_conn_batch_with(struct pool_conn conn,
                                         const struct pool_batch_request *request,
                                         struct pool_error *err);
bool pool_conn_ping(struct pool_conn conn, struct pool_error *err);

/* A transaction, begun here or in SQL. After a deadlock the server has undone it and left it:
 * then everything but a rollback or another begin is refused, the commit too, with the number of
 * that error, retry_transaction and not_executed. threads: any. callback: no. */
bool pool_conn_begin(struct pool_conn conn, struct pool_error *err);
bool pool_conn_commit(struct pool_conn conn, struct pool_error *err);
bool pool_conn_rollback(struct pool_conn conn, struct pool_error *err);

/* Gives the connection back. An open transaction is rolled back and a changed
 * session is reset, by the pool, before anybody else gets it. Sends nothing
 * itself. threads: any. callback: yes. */
bool pool_conn_release(struct pool_conn conn, struct pool_error *err);
/* Gives it back to be closed. threads: any. callback: yes. */
bool pool_conn_destroy(struct pool_conn conn, struct pool_error *err);
/* The server's number of the connection, as in its process list; 0 if stale.
 * threads: any. callback: yes. */
unsigned long pool_conn_thread_id(struct pool_conn conn);
/* The MYSQL * below, for what the pool does not offer; the session counts as
 * changed and is reset on release. NULL if stale. The caller must leave no result
 * unread. threads: any. callback: yes. */
void *pool_conn_native(struct pool_conn conn);

/* True commits, false rolls back; `err` is the caller's own, to be filled on
 * false (pool_error_set): it is what the call fails with. Left as it is, that is
 * POOL_ERR_ROLLED_BACK. */
typedef bool pool_transaction_fn(struct pool_conn conn, void *arg, struct pool_error *err);

struct pool_transaction_request {
    enum pool_isolation isolation; /* of this transaction; costs a round trip; default: that of
                                      the session */
    bool read_only;                /* the server refuses to write in it */
    unsigned tries;                /* runs at most, as long as the server asks for another; 0: 4; 1:
                                      never a second one */
    uint32_t timeout_ms;         /* whole call: its runs, the waits and pauses between them and each
                                    statement in it; where no time is left for another run the call
                                    fails with the error of the last one; 0: no limit of its own;
                                    or POOL_NEVER */
    uint32_t acquire_timeout_ms; /* 0: the pool's */
    const char *label;           /* call site, for hooks, leak reports and errors; copied
                                    (63 bytes) */
    uint64_t reserved[4];        /* zero */
};

/* Borrows a connection, begins, calls fn, commits or rolls back, releases. If fn
 * or the commit failed with retry_transaction (deadlock, lock wait timeout) all of
 * it is run again, up to 3 more times, after a short random pause (64 ms at most): fn must not have
 * effects outside the database. It need not look at each error: what the server has undone is
 * never committed, and nothing runs outside of the transaction. If fn ends that itself, by COMMIT
 * or a statement that implies it, what follows is refused until it begins another. True means
 * that all that fn did is committed; false that nothing is, unless err->message says that fn had
 * ended the transaction. (Nobody can see the COMMIT of a routine that is the victim of a deadlock
 * in the same CALL.) A connection that proves to be dead at the begin is
 * exchanged for another one. A commit that was lost on the way is never
 * repeated: POOL_ERR_LOST with not_executed false. threads: any. callback: no. */
bool pool_transaction(struct pool *pool, pool_transaction_fn *fn, void *arg,
                      struct pool_error *err);
bool pool_transaction_with(struct pool *pool, const struct pool_transaction_request *request,
                           pool_transaction_fn *fn, void *arg, struct pool_error *err);

/* ------------------------------------------------------------------------
 * Callbacks
 *
 * Each call returns at once. False means refused, with the reason in `err`: the callback
 * never runs. True means accepted: everything passed in has been copied, and the callback
 * runs exactly once, later, never inside the call itself, with no lock held. Its `err` is
 * NULL on success, else valid during the callback. A result belongs to the callback, which
 * frees it or keeps it; it is NULL on failure, and where there is none (ping).
 *
 * On one connection they run in the order of the calls: docs/pipelining.md has the exceptions.
 * Callbacks run one at a time on a thread of the pool's, or, with manual_dispatch, inside
 * pool_dispatch. They should be quick, because others wait, and may call everything but what
 * blocks (the calls without _async, pool_end), which is refused there with
 * POOL_ERR_INVALID; pool_conn_release and pool_conn_destroy do not block. Two functions run on
 * a stack of their own, the one for rows of pool_stream_async and that of
 * pool_transaction_async: these may also use the blocking pool_conn_... calls on a connection
 * that they hold, which let others run while they wait. All must return: no longjmp, no
 * pthread_exit, no C++ exception (see the end of this header).
 *
 * The forms with _with take a request, and give a handle for pool_cancel and pool_resume:
 * `ret_call` may be NULL. It is set before the callback can run.
 */

/* An accepted call with a callback, until that runs; a value, {0} is none. */
struct pool_call {
    struct pool *pool;
    uint64_t ticket;
};

typedef void pool_query_fn(const struct pool_error *err, struct pool_result *result, void *arg);
typedef void pool_conn_fn(const struct pool_error *err, struct pool_conn conn, void *arg);

/* Like pool_query. threads: any. callback: yes. */
bool pool_query_async(struct pool *pool, const char *sql, pool_args_view args, pool_query_fn *fn,
                      void *arg, struct pool_error *err);
bool pool_query_async_with(struct pool *pool, const struct pool_request *request, pool_query_fn *fn,
                           void *arg, struct pool_call *ret_call, struct pool_error *err);

/* Like pool_batch: everything is copied, all values too, and checked before the call
 * returns. The progress function runs where callbacks run, on a stack of 256 KiB. A batch that
 * is cancelled ends with its chunk; those before it stay executed, unless it is atomic.
 * threads: any. callback: yes. */
bool pool_batch_async(struct pool *pool, const char *sql, const struct pool_value *values,
                      size_t rows, size_t columns, pool_query_fn *fn, void *arg,
                      struct pool_error *err);
bool pool_batch_async_with(struct pool *pool, const struct pool_batch_request *request,
                           pool_query_fn *fn, void *arg, struct pool_call *ret_call,
                           struct pool_error *err);

/* The connection is the program's until it is released, like one of pool_get_connection.
 * threads: any. callback: yes. */
bool pool_get_connection_async(struct pool *pool, pool_conn_fn *fn, void *arg,
                               struct pool_error *err);
bool pool_get_connection_async_with(struct pool *pool, const struct pool_request *request,
                                    pool_conn_fn *fn, void *arg, struct pool_call *ret_call,
                                    struct pool_error *err);

/* On a borrowed connection, one call at a time: the next one is refused until the callback
 * of the last runs. threads: any. callback: yes. */
bool pool_conn_query_async(struct pool_conn conn, const char *sql, pool_args_view args,
                           pool_query_fn *fn, void *arg, struct pool_error *err);
bool pool_conn_query_async_with(struct pool_conn conn, const struct pool_request *request,
                                pool_query_fn *fn, void *arg, struct pool_call *ret_call,
                                struct pool_error *err);
bool pool_conn_begin_async(struct pool_conn conn, pool_query_fn *fn, void *arg,
                           struct pool_error *err);
bool pool_conn_commit_async(struct pool_conn conn, pool_query_fn *fn, void *arg,
                            struct pool_error *err);
bool pool_conn_rollback_async(struct pool_conn conn, pool_query_fn *fn, void *arg,
                              struct pool_error *err);
bool pool_conn_ping_async(struct pool_conn conn, pool_query_fn *fn, void *arg,
                          struct pool_error *err);

/* Cancels a call. One that waits is dropped; a statement that runs is stopped on the server
 * (KILL QUERY), and its connection stays, but for that of a stream among its rows. A transaction
 * is rolled back: the statement that runs in it is stopped, those that follow are refused; its
 * commit, once it is on its way, is not stopped. The callback
 * still runs exactly once, with POOL_ERR_CANCELLED, or with the result if the call ends by itself
 * before it is stopped. A statement that was sent along with those of other callers is not
 * stopped; its result is dropped. True if the callback has not run yet, else POOL_ERR_STALE.
 * threads: any. callback: yes. */
bool pool_cancel(struct pool_call call, struct pool_error *err);

/* What a stream is to do after a row. */
enum pool_flow {
    POOL_FLOW_STOP, /* no more rows, please; the connection is closed */
    POOL_FLOW_CONTINUE,
    POOL_FLOW_PAUSE, /* no more until pool_resume; the connection waits, and so does its time if
                        the request says pause_stops_deadline */
    POOL_FLOW_LAST = POOL_FLOW_PAUSE
};
/* "STOP", "CONTINUE", "PAUSE". Never NULL. threads: any. callback: yes. */
const char *pool_flow_name(enum pool_flow flow);

typedef enum pool_flow pool_flow_fn(struct pool_result *row, void *arg);

/* Reads rows one by one in constant memory, like pool_stream. `row_fn` is called for each, on
 * a stack of 256 KiB; then `fn` once, with a result without rows, or the error. To pause, the
 * call must have asked for its handle; otherwise a pause, which nobody could end, fails the
 * stream with POOL_ERR_INVALID, as what is no enum pool_flow does. `arg` is for both.
 * threads: any. callback: yes. */
bool pool_stream_async(struct pool *pool, const char *sql, pool_args_view args,
                       pool_flow_fn *row_fn, pool_query_fn *fn, void *arg, struct pool_error *err);
bool pool_stream_async_with(struct pool *pool, const struct pool_request *request,
                            pool_flow_fn *row_fn, pool_query_fn *fn, void *arg,
                            struct pool_call *ret_call, struct pool_error *err);
/* A paused stream goes on. If it has not paused yet, its next pause is skipped. POOL_ERR_STALE if
 * it is over, POOL_ERR_INVALID if it is no stream. threads: any. callback: yes. */
bool pool_resume(struct pool_call call, struct pool_error *err);

/* pool_transaction with a callback at its end (its result is NULL). `transaction` runs on a
 * fiber, a stack of 256 KiB, with the blocking calls on its connection, and is run again like
 * that of pool_transaction. `arg` is for both. threads: any. callback: yes. */
bool pool_transaction_async(struct pool *pool, pool_transaction_fn *transaction, pool_query_fn *fn,
                            void *arg, struct pool_error *err);
bool pool_transaction_async_with(struct pool *pool, const struct pool_transaction_request *request,
                                 pool_transaction_fn *transaction, pool_query_fn *fn, void *arg,
                                 struct pool_call *ret_call, struct pool_error *err);

/* For a program with an event loop of its own, and manual_dispatch. The descriptor can be
 * read whenever pool_dispatch has something to do; it is the pool's: poll it, and nothing
 * else. -1 on failure. threads: any. callback: yes. */
int pool_fd(struct pool *pool);
/* Waits up to timeout_ms for something to do (0: not at all; or POOL_NEVER), does a
 * bounded amount of it, callbacks included, and returns how many things that was. -1 if the
 * pool is closed or dispatches itself, if another thread is at it, or inside a callback.
 * threads: one at a time. callback: no. */
int pool_dispatch(struct pool *pool, uint32_t timeout_ms);

/* For pool_init_fn: runs a statement on the connection being set up, on the thread that the
 * function was called on. threads: one at a time. callback: yes, in the init function alone. */
struct pool_result *pool_setup_query(struct pool_setup *setup, const char *sql, pool_args_view args,
                                     struct pool_error *err);

/* ------------------------------------------------------------------------
 * SQL text. Results are freed with free().
 */

/* A quoted literal, safe with and without NO_BACKSLASH_ESCAPES: quotes are
 * doubled, and text with a backslash or a NUL is written in hexadecimal, which is an
 * expression, not a string to the grammar (SHOW ... LIKE, COMMENT); a request that is sent as text
 * writes both as strings. NULL if out of memory. `text` NULL gives NULL the SQL word.
 * threads: any. callback: yes. */
char *pool_escape(const char *text, size_t len);
/* An identifier in backticks; "a.b" stays one name. NULL if it is empty, has a
 * NUL, or memory is out. threads: any. callback: yes. */
char *pool_escape_id(const char *name);
/* `sql` with its placeholders replaced by literals, for sessions of every SQL mode. NULL on
 * failure, which includes a placeholder that some of them would take for a part of a string.
 * threads: any. callback: yes. */
char *pool_format(const char *sql, pool_args_view args, struct pool_error *err);

#ifdef __cplusplus
} /* extern "C" */
#pragma GCC diagnostic pop
#endif

/* ------------------------------------------------------------------------
 * POOL_ARGS, POOL_NAMED and POOL_SCAN: values and variables by their C type
 *
 * A value is made of
 *
 *     bool, integers, float, double, unscoped enums     a number
 *     char *, const char *                              text up to its NUL; NULL is the SQL NULL
 *     NULL in C, nullptr in C++ and C23                 the SQL NULL
 *     struct pool_value                                 whatever it is
 *
 * and in C++ also of
 *
 *     std::string, std::string_view and their kind      text with all its bytes
 *     std::optional of any of these                     its value, or the SQL NULL
 *     a class that converts to struct pool_value        what that is
 *
 * Nothing else compiles: bytes need pool_bytes(), wide text and char8_t have to become char
 * first, a long double and an enum class want a cast that says what they are to be. In C++
 * NULL may be an integer, and be taken as 0.
 *
 * POOL_ARGS takes 0 to 64 values in C. How long they live is said at struct pool_args.
 */

#ifdef __cplusplus
/* clang-format off */

#define POOL_NO_ARGS (pool_args())

/* Questions about types, asked with a pointer to one. */
struct pool__is {
    static std::true_type plain(bool *);
    static std::true_type plain(char *);
    static std::true_type plain(signed char *);
    static std::true_type plain(unsigned char *);
    static std::true_type plain(short *);
    static std::true_type plain(unsigned short *);
    static std::true_type plain(int *);
    static std::true_type plain(unsigned *);
    static std::true_type plain(long *);
    static std::true_type plain(unsigned long *);
    static std::true_type plain(long long *);
    static std::true_type plain(unsigned long long *);
    static std::true_type plain(float *);
    static std::true_type plain(double *);
    static std::true_type plain(char **);
    static std::true_type plain(const char **);
    static std::true_type plain(std::nullptr_t *);
    template <class T>
    static typename std::enable_if<std::is_enum<T>::value,
                                   typename std::is_convertible<T, long long>::type>::type
    plain(T *);
    static std::false_type plain(...);

    /* Text with a length, of char. One that has an allocator owns it. */
    template <class T>
    static typename std::enable_if<
        std::is_same<typename T::traits_type::char_type, char>::value &&
            std::is_convertible<decltype(std::declval<const T &>().data()), const char *>::value &&
            std::is_convertible<decltype(std::declval<const T &>().size()), size_t>::value,
        std::true_type>::type
    text(T *);
    static std::false_type text(...);
    template <class T>
    static typename std::enable_if<sizeof(typename T::allocator_type) != 0, std::true_type>::type
    owner(T *);
    static std::false_type owner(...);

    template <class T>
    static typename std::enable_if<
        std::is_same<decltype(std::declval<const T &>().has_value()), bool>::value &&
            std::is_same<decltype(*std::declval<const T &>()),
                         const typename T::value_type &>::value &&
            std::is_void<decltype(std::declval<T &>().reset())>::value,
        std::true_type>::type
    optional(T *);
    static std::false_type optional(...);

    /* One with a conversion to a number, such as std::atomic<int>. */
    template <class T>
    static typename std::enable_if<
        std::is_class<T>::value,
        typename std::is_arithmetic<
            typename std::decay<decltype(+std::declval<const T &>())>::type>::type>::type
    number(T *);
    static std::false_type number(...);
};

struct pool__arg;
struct pool__temporary { /* a POOL_NAMED with text that ends with the expression */
    struct pool_value value;
};
template <class T> struct pool__kind {
    typedef typename std::decay<T>::type type;
    static constexpr type *of = nullptr;
    static constexpr bool own = std::is_same<type, struct pool_value>::value ||
                                std::is_same<type, pool__arg>::value ||
                                std::is_same<type, pool__temporary>::value;
    static constexpr bool text = decltype(pool__is::text(of))::value;
    static constexpr bool optional = decltype(pool__is::optional(of))::value;
    static constexpr bool value = !own && !text && !optional && std::is_class<type>::value &&
                                  std::is_convertible<const type &, struct pool_value>::value;
    static constexpr bool number = !own && !text && !optional && !value &&
                                   decltype(pool__is::number(of))::value;
    static constexpr bool refused = !own && !text && !optional && !value && !number &&
                                    !decltype(pool__is::plain(of))::value;
};

/* Whether the text of such an argument ends with the expression. */
template <class T, bool = pool__kind<T>::optional>
struct pool__owns
    : std::integral_constant<bool, pool__kind<T>::value ||
                                       decltype(pool__is::owner(pool__kind<T>::of))::value> {};
template <class T> struct pool__owns<T, true> : pool__owns<typename T::value_type> {};
template <class T>
struct pool__ends
    : std::integral_constant<bool, !std::is_lvalue_reference<T>::value &&
                                       pool__owns<typename std::decay<T>::type>::value> {};
template <class T> struct pool__never : std::false_type {};

/* One value of a POOL_ARGS. */
struct pool__arg {
    struct pool_value value;
    bool temporary;

    pool__arg(bool v) : value(pool_int(v)), temporary(false) {}
    pool__arg(char v) : value(pool_int(v)), temporary(false) {}
    pool__arg(signed char v) : value(pool_int(v)), temporary(false) {}
    pool__arg(unsigned char v) : value(pool_uint(v)), temporary(false) {}
    pool__arg(short v) : value(pool_int(v)), temporary(false) {}
    pool__arg(unsigned short v) : value(pool_uint(v)), temporary(false) {}
    pool__arg(int v) : value(pool_int(v)), temporary(false) {}
    pool__arg(unsigned v) : value(pool_uint(v)), temporary(false) {}
    pool__arg(long v) : value(pool_int(v)), temporary(false) {}
    pool__arg(unsigned long v) : value(pool_uint(v)), temporary(false) {}
    pool__arg(long long v) : value(pool_int(v)), temporary(false) {}
    pool__arg(unsigned long long v) : value(pool_uint(v)), temporary(false) {}
    pool__arg(float v) : value(pool_double(static_cast<double>(v))), temporary(false) {}
    pool__arg(double v) : value(pool_double(v)), temporary(false) {}
    pool__arg(const char *v) : value(pool_text(v)), temporary(false) {}
    pool__arg(std::nullptr_t) : value(pool_null()), temporary(false) {}
    pool__arg(const struct pool_value &v) : value(v), temporary(false) {}
    pool__arg(pool__temporary &&v) : value(v.value), temporary(true) {}
    template <class T, typename std::enable_if<pool__kind<T>::text, int>::type = 0>
    pool__arg(T &&v)
        : value(pool_text_n(v.data() ? v.data() : "", v.size())), temporary(pool__ends<T>::value)
    {
    }
    template <class T, typename std::enable_if<pool__kind<T>::optional, int>::type = 0>
    pool__arg(T &&v) : value(pool_null()), temporary(pool__ends<T>::value)
    {
        const typename std::decay<T>::type &optional = v;
        if (optional.has_value())
            value = pool__arg(*optional).value;
    }
    template <class T, typename std::enable_if<pool__kind<T>::value, int>::type = 0>
    pool__arg(T &&v)
        : value(static_cast<const typename std::decay<T>::type &>(v)),
          temporary(pool__ends<T>::value)
    {
    }
    template <class T, typename std::enable_if<pool__kind<T>::number, int>::type = 0>
    pool__arg(const T &v) : pool__arg(+v)
    {
    }
    template <class T, typename std::enable_if<pool__kind<T>::refused, int>::type = 0>
    pool__arg(const T &) : value(pool_null()), temporary(false)
    {
        static_assert(pool__never<T>::value,
                      "no SQL value can be made of this type: it takes numbers, char text, "
                      "nullptr and struct pool_value; pool_bytes() is for bytes, a cast for the "
                      "rest");
    }
};

/* Field by field: to read what was written just now in wider pieces would wait for that. */
inline void pool__copy(struct pool_value &to, const struct pool_value &from)
{
    to.type = from.type;
    to.name = from.name;
    switch (from.type) {
    case POOL_TYPE_NULL:
    case POOL_TYPE_INT:
    case POOL_TYPE_UINT:
    case POOL_TYPE_FLOAT:
    case POOL_TYPE_DOUBLE:
        to.as.u = from.as.u;
        break;
    case POOL_TYPE_DECIMAL:
    case POOL_TYPE_TEXT:
    case POOL_TYPE_BYTES:
        to.as.bytes.data = from.as.bytes.data;
        to.as.bytes.len = from.as.bytes.len;
        break;
    case POOL_TYPE_DATE:
    case POOL_TYPE_TIME:
    case POOL_TYPE_DATETIME:
    case POOL_TYPE_LIST:
        to.as = from.as;
        break;
    }
}

/* The values of one POOL_ARGS. They are all written once, by pool__hold. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Weffc++"
template <size_t N> struct pool__held {
    struct pool_value values[N ? N : 1];
    struct pool_args owned; /* with the text of temporaries, if there are any */

    operator struct pool_args_view() const noexcept
    {
        return owned.count ? static_cast<struct pool_args_view>(owned) : pool_args_view{values, N};
    }
};
#pragma GCC diagnostic pop
template <size_t N> inline pool__held<N> pool__hold(const pool__arg (&args)[N])
{
    pool__held<N> held;
    bool temporary = false;
    for (size_t i = 0; i < N; i++) {
        pool__copy(held.values[i], args[i].value);
        temporary = temporary || args[i].temporary;
    }
    if (temporary)
        held.owned = pool_args(args);
    return held;
}
struct pool__nothing {};
inline pool__held<0> pool__hold(pool__nothing)
{
    return {{pool_null()}, {}};
}
inline struct pool_value pool__named(const char *name, const pool__arg &v)
{
    return pool_named(name, v.value);
}
template <class T, typename std::enable_if<pool__ends<T>::value, int>::type = 0>
inline pool__temporary pool__named(const char *name, T &&v)
{
    return {pool_named(name, pool__arg(static_cast<T &&>(v)).value)};
}
#define POOL_ARGS(...) (pool__hold({__VA_ARGS__}))
#define POOL_NAMED(name, ...) (pool__named((name), __VA_ARGS__))

/* What a value takes in a block beside itself: the values of a list, or its text. */
inline const struct pool_value &pool__value_of(const struct pool_value &v) { return v; }
inline const struct pool_value &pool__value_of(const pool__arg &v) { return v.value; }
inline size_t pool__text_of(const struct pool_value &) { return 0; }
inline size_t pool__text_of(const pool__arg &v)
{
    enum pool_type type = v.value.type;
    bool text = type == POOL_TYPE_TEXT || type == POOL_TYPE_BYTES || type == POOL_TYPE_DECIMAL;
    return v.temporary && text ? v.value.as.bytes.len : 0;
}
inline size_t pool__list_of(const struct pool_value &v)
{
    return v.type == POOL_TYPE_LIST && v.as.list.values ? v.as.list.count : 0;
}

/* In front of the values of a struct pool_args: how many share them. */
union pool__shared {
    unsigned by;
    long double align;
};
inline union pool__shared *pool__shared_of(const struct pool_value *values)
{
    void *block = const_cast<struct pool_value *>(values);
    return static_cast<union pool__shared *>(block) - 1;
}

/* One block: the count, the values, those of lists, the text of temporaries. */
template <class T> inline void pool_args::own(const T *from)
{
    size_t n = count, more = 0, bytes = 0;
    for (size_t i = 0; from && i < n; i++) {
        more += pool__list_of(pool__value_of(from[i]));
        bytes += pool__text_of(from[i]);
    }
    if (!from)
        return;
    union pool__shared *shared = static_cast<union pool__shared *>(::operator new(
        sizeof(union pool__shared) + (n + more) * sizeof(struct pool_value) + bytes));
    void *begin = shared + 1;
    struct pool_value *to = static_cast<struct pool_value *>(begin), *list = to + n;
    void *end = list + more;
    char *text = static_cast<char *>(end);
    for (size_t i = 0; i < n; i++) {
        pool__copy(to[i], pool__value_of(from[i]));
        if (size_t len = pool__text_of(from[i])) {
            std::memcpy(text, to[i].as.bytes.data, len);
            to[i].as.bytes.data = text;
            text += len;
        }
        if (size_t len = pool__list_of(to[i])) {
            std::memcpy(list, to[i].as.list.values, len * sizeof *list);
            to[i].as.list.values = list;
            list += len;
        }
    }
    shared->by = 1;
    values.is = to;
}
template <size_t N>
inline pool_args::pool_args(const pool__held<N> &held) : values(nullptr), count(N)
{
    if (held.owned.count)
        *this = held.owned;
    else
        own(held.values);
}
inline void pool_args::share() const noexcept
{
    if (values)
        __atomic_add_fetch(&pool__shared_of(values)->by, 1U, __ATOMIC_RELAXED);
}
inline void pool_args::drop() noexcept
{
    if (values && __atomic_sub_fetch(&pool__shared_of(values)->by, 1U, __ATOMIC_ACQ_REL) == 0)
        ::operator delete(pool__shared_of(values));
}

static inline struct pool_target pool__to(bool *to) { return {POOL_TO_BOOL, to}; }
static inline struct pool_target pool__to(signed char *to) { return {POOL_TO_I8, to}; }
static inline struct pool_target pool__to(unsigned char *to) { return {POOL_TO_U8, to}; }
static inline struct pool_target pool__to(short *to) { return {POOL_TO_I16, to}; }
static inline struct pool_target pool__to(unsigned short *to) { return {POOL_TO_U16, to}; }
static inline struct pool_target pool__to(int *to) { return {POOL_TO_I32, to}; }
static inline struct pool_target pool__to(unsigned *to) { return {POOL_TO_U32, to}; }
static inline struct pool_target pool__to(long *to)
{
    return {sizeof(long) == 8 ? POOL_TO_I64 : POOL_TO_I32, to};
}
static inline struct pool_target pool__to(unsigned long *to)
{
    return {sizeof(long) == 8 ? POOL_TO_U64 : POOL_TO_U32, to};
}
static inline struct pool_target pool__to(long long *to) { return {POOL_TO_I64, to}; }
static inline struct pool_target pool__to(unsigned long long *to) { return {POOL_TO_U64, to}; }
static inline struct pool_target pool__to(float *to) { return {POOL_TO_FLOAT, to}; }
static inline struct pool_target pool__to(double *to) { return {POOL_TO_DOUBLE, to}; }
static inline struct pool_target pool__to(const char **to) { return {POOL_TO_TEXT, to}; }
static inline struct pool_target pool__to(struct pool_bytes *to) { return {POOL_TO_BYTES, to}; }
static inline struct pool_target pool__to(struct pool_time *to) { return {POOL_TO_TIME, to}; }
static inline struct pool_target pool__to(std::nullptr_t) { return {POOL_TO_SKIP, nullptr}; }

/* Of one row whose result does not remain: text is copied. */
template <class T> static inline struct pool_target pool__own(T to) { return pool__to(to); }
static inline struct pool_target pool__own(char **to) { return {POOL_TO_NEW_TEXT, to}; }
struct pool_target pool__own(const char **to) = delete;
struct pool_target pool__own(struct pool_bytes *to) = delete;

template <class... T> static inline bool pool__scan(struct pool_result *result, T... to)
{
    const struct pool_target targets[] = {pool__to(to)...};
    return pool_scan(result, targets, sizeof...(T));
}
#define POOL_SCAN(result, ...) (pool__scan((result), __VA_ARGS__))

template <class... T>
static inline bool pool__query_one(struct pool *pool, const char *sql, pool_args_view args,
                                   struct pool_error *err, T... to)
{
    const struct pool_target targets[] = {pool__own(to)...};
    return pool_query_one(pool, sql, args, targets, sizeof...(T), err);
}
template <class... T>
static inline bool pool__conn_query_one(struct pool_conn conn, const char *sql,
                                        pool_args_view args, struct pool_error *err, T... to)
{
    const struct pool_target targets[] = {pool__own(to)...};
    return pool_conn_query_one(conn, sql, args, targets, sizeof...(T), err);
}
#define POOL_QUERY_ONE(pool, sql, args, err, ...)                                                  \
    (pool__query_one((pool), (sql), (args), (err), __VA_ARGS__))
#define POOL_CONN_QUERY_ONE(conn, sql, args, err, ...)                                             \
    (pool__conn_query_one((conn), (sql), (args), (err), __VA_ARGS__))

#else /* C11 */

#define POOL_NO_ARGS (pool__no_args())
static inline struct pool_args pool__no_args(void)
{
    struct pool_args args = {NULL, 0};
    return args;
}

static inline struct pool_value pool__same(struct pool_value v) { return v; }
static inline struct pool_value pool__float(float v) { return pool_double((double)v); }
static inline struct pool_value pool__null(const void *v)
{
    (void)v;
    return pool_null();
}
#if defined __STDC_VERSION__ && __STDC_VERSION__ >= 202311L
static inline struct pool_value pool__nullptr(typeof(nullptr) v)
{
    (void)v;
    return pool_null();
}
#define POOL__NULLPTR typeof(nullptr): pool__nullptr,
#else
#define POOL__NULLPTR
#endif

/* Of untyped pointers only the constant NULL: beside it a conditional has the type of its other
 * operand, beside a variable it is untyped as well, and there is no such case. */
#define POOL__NULL(v)                                                                              \
    _Generic(1 ? _Generic((v), void *: (v), default: NULL) : (struct pool_value *)NULL,            \
        struct pool_value *: pool__null)
#define POOL__VALUE(v)                                                                             \
    (_Generic((v),                                                                                 \
        bool: pool_int, char: pool_int, signed char: pool_int, short: pool_int, int: pool_int,     \
        long: pool_int, long long: pool_int, unsigned char: pool_uint, unsigned short: pool_uint,  \
        unsigned: pool_uint, unsigned long: pool_uint, unsigned long long: pool_uint,              \
        float: pool__float, double: pool_double, char *: pool_text, const char *: pool_text,       \
        POOL__NULLPTR void *: POOL__NULL(v), struct pool_value: pool__same)(v))
#define POOL__TO(p)                                                                                \
    {_Generic((p),                                                                                 \
        bool *: POOL_TO_BOOL, signed char *: POOL_TO_I8, unsigned char *: POOL_TO_U8,              \
        short *: POOL_TO_I16, unsigned short *: POOL_TO_U16, int *: POOL_TO_I32,                   \
        unsigned *: POOL_TO_U32, long *: sizeof(long) == 8 ? POOL_TO_I64 : POOL_TO_I32,            \
        unsigned long *: sizeof(long) == 8 ? POOL_TO_U64 : POOL_TO_U32,                            \
        long long *: POOL_TO_I64, unsigned long long *: POOL_TO_U64, float *: POOL_TO_FLOAT,       \
        double *: POOL_TO_DOUBLE, const char **: POOL_TO_TEXT,                                     \
        struct pool_bytes *: POOL_TO_BYTES, struct pool_time *: POOL_TO_TIME,                      \
        POOL__NULLPTR void *: POOL_TO_SKIP), (p)}
/* Of one row whose result does not remain: text is copied, and const char ** does not compile. */
#define POOL__OWN(p)                                                                               \
    {_Generic((p),                                                                                 \
        bool *: POOL_TO_BOOL, signed char *: POOL_TO_I8, unsigned char *: POOL_TO_U8,              \
        short *: POOL_TO_I16, unsigned short *: POOL_TO_U16, int *: POOL_TO_I32,                   \
        unsigned *: POOL_TO_U32, long *: sizeof(long) == 8 ? POOL_TO_I64 : POOL_TO_I32,            \
        unsigned long *: sizeof(long) == 8 ? POOL_TO_U64 : POOL_TO_U32,                            \
        long long *: POOL_TO_I64, unsigned long long *: POOL_TO_U64, float *: POOL_TO_FLOAT,       \
        double *: POOL_TO_DOUBLE, char **: POOL_TO_NEW_TEXT, struct pool_time *: POOL_TO_TIME,     \
        POOL__NULLPTR void *: POOL_TO_SKIP), (p)}
#if defined __STDC_VERSION__ && __STDC_VERSION__ >= 202311L
#define POOL__NULLPTR typeof(nullptr): POOL_TO_SKIP,
#else
#define POOL__NULLPTR
#endif

#define POOL_NAMED(name, v) (pool_named((name), POOL__VALUE(v)))
#define POOL_ARGS(...)                                                                             \
    ((struct pool_args){(const struct pool_value[]){POOL__MAP(POOL__VALUE, __VA_ARGS__)},          \
                        POOL__COUNT(__VA_ARGS__)})
#define POOL_SCAN(result, ...)                                                                     \
    (pool_scan((result), (const struct pool_target[]){POOL__MAP(POOL__TO, __VA_ARGS__)},           \
               POOL__COUNT(__VA_ARGS__)))
#define POOL_QUERY_ONE(pool, sql, args, err, ...)                                                  \
    (pool_query_one((pool), (sql), (args),                                                         \
                    (const struct pool_target[]){POOL__MAP(POOL__OWN, __VA_ARGS__)},               \
                    POOL__COUNT(__VA_ARGS__), (err)))
#define POOL_CONN_QUERY_ONE(conn, sql, args, err, ...)                                             \
    (pool_conn_query_one((conn), (sql), (args),                                                    \
                         (const struct pool_target[]){POOL__MAP(POOL__OWN, __VA_ARGS__)},          \
                         POOL__COUNT(__VA_ARGS__), (err)))

/* Applies a macro to each of up to 64 arguments; none make one zero, so that the array has
 * an element. */
#define POOL__CAT_(a, b) a##b
#define POOL__CAT(a, b) POOL__CAT_(a, b)
#define POOL__MAP(f, ...) POOL__CAT(POOL__MAP_, POOL__COUNT(__VA_ARGS__))(f, __VA_ARGS__)
/* The preprocessor of C11 sees one empty argument where there is none. A sole argument is
 * empty if POOL__COMMA and () meet across it. (If it is the name of a variable and of a macro
 * with several parameters as well, it needs parentheses of its own.) */
#define POOL__COUNT(...) POOL__COUNTER(POOL__SEVERAL(__VA_ARGS__))(__VA_ARGS__)
#define POOL__COUNTER(several) POOL__COUNTER_(several)
#define POOL__COUNTER_(several) POOL__COUNT_##several
#define POOL__COUNT_0(x) POOL__SOLE(POOL__SEVERAL(POOL__COMMA x), POOL__SEVERAL(POOL__COMMA x ()))
#define POOL__SOLE(a, b) POOL__SOLE_(a, b)
#define POOL__SOLE_(a, b) POOL__SOLE_##a##b
#define POOL__SOLE_00 1
#define POOL__SOLE_01 0
#define POOL__SOLE_11 1 /* in parentheses */
#define POOL__COMMA(...) ,
#define POOL__VALUE_NONE {POOL_TYPE_NULL, NULL, {0}}
#define POOL__TO_NONE {POOL_TO_BOOL, NULL}
#define POOL__COUNT_1(...) POOL__NTH(__VA_ARGS__, 64, 63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, \
    52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30,   \
    29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6,   \
    5, 4, 3, 2, 1, 0)
#define POOL__SEVERAL(...) POOL__NTH(__VA_ARGS__, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  \
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0)
#define POOL__NTH(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17,     \
    a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35,     \
    a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47, a48, a49, a50, a51, a52, a53,     \
    a54, a55, a56, a57, a58, a59, a60, a61, a62, a63, a64, n, ...) n
#define POOL__MAP_0(f, x) f##_NONE
#define POOL__MAP_1(f, x) f(x)
#define POOL__MAP_2(f, x, ...) f(x), POOL__MAP_1(f, __VA_ARGS__)
#define POOL__MAP_3(f, x, ...) f(x), POOL__MAP_2(f, __VA_ARGS__)
#define POOL__MAP_4(f, x, ...) f(x), POOL__MAP_3(f, __VA_ARGS__)
#define POOL__MAP_5(f, x, ...) f(x), POOL__MAP_4(f, __VA_ARGS__)
#define POOL__MAP_6(f, x, ...) f(x), POOL__MAP_5(f, __VA_ARGS__)
#define POOL__MAP_7(f, x, ...) f(x), POOL__MAP_6(f, __VA_ARGS__)
#define POOL__MAP_8(f, x, ...) f(x), POOL__MAP_7(f, __VA_ARGS__)
#define POOL__MAP_9(f, x, ...) f(x), POOL__MAP_8(f, __VA_ARGS__)
#define POOL__MAP_10(f, x, ...) f(x), POOL__MAP_9(f, __VA_ARGS__)
#define POOL__MAP_11(f, x, ...) f(x), POOL__MAP_10(f, __VA_ARGS__)
#define POOL__MAP_12(f, x, ...) f(x), POOL__MAP_11(f, __VA_ARGS__)
#define POOL__MAP_13(f, x, ...) f(x), POOL__MAP_12(f, __VA_ARGS__)
#define POOL__MAP_14(f, x, ...) f(x), POOL__MAP_13(f, __VA_ARGS__)
#define POOL__MAP_15(f, x, ...) f(x), POOL__MAP_14(f, __VA_ARGS__)
#define POOL__MAP_16(f, x, ...) f(x), POOL__MAP_15(f, __VA_ARGS__)
#define POOL__MAP_17(f, x, ...) f(x), POOL__MAP_16(f, __VA_ARGS__)
#define POOL__MAP_18(f, x, ...) f(x), POOL__MAP_17(f, __VA_ARGS__)
#define POOL__MAP_19(f, x, ...) f(x), POOL__MAP_18(f, __VA_ARGS__)
#define POOL__MAP_20(f, x, ...) f(x), POOL__MAP_19(f, __VA_ARGS__)
#define POOL__MAP_21(f, x, ...) f(x), POOL__MAP_20(f, __VA_ARGS__)
#define POOL__MAP_22(f, x, ...) f(x), POOL__MAP_21(f, __VA_ARGS__)
#define POOL__MAP_23(f, x, ...) f(x), POOL__MAP_22(f, __VA_ARGS__)
#define POOL__MAP_24(f, x, ...) f(x), POOL__MAP_23(f, __VA_ARGS__)
#define POOL__MAP_25(f, x, ...) f(x), POOL__MAP_24(f, __VA_ARGS__)
#define POOL__MAP_26(f, x, ...) f(x), POOL__MAP_25(f, __VA_ARGS__)
#define POOL__MAP_27(f, x, ...) f(x), POOL__MAP_26(f, __VA_ARGS__)
#define POOL__MAP_28(f, x, ...) f(x), POOL__MAP_27(f, __VA_ARGS__)
#define POOL__MAP_29(f, x, ...) f(x), POOL__MAP_28(f, __VA_ARGS__)
#define POOL__MAP_30(f, x, ...) f(x), POOL__MAP_29(f, __VA_ARGS__)
#define POOL__MAP_31(f, x, ...) f(x), POOL__MAP_30(f, __VA_ARGS__)
#define POOL__MAP_32(f, x, ...) f(x), POOL__MAP_31(f, __VA_ARGS__)
#define POOL__MAP_33(f, x, ...) f(x), POOL__MAP_32(f, __VA_ARGS__)
#define POOL__MAP_34(f, x, ...) f(x), POOL__MAP_33(f, __VA_ARGS__)
#define POOL__MAP_35(f, x, ...) f(x), POOL__MAP_34(f, __VA_ARGS__)
#define POOL__MAP_36(f, x, ...) f(x), POOL__MAP_35(f, __VA_ARGS__)
#define POOL__MAP_37(f, x, ...) f(x), POOL__MAP_36(f, __VA_ARGS__)
#define POOL__MAP_38(f, x, ...) f(x), POOL__MAP_37(f, __VA_ARGS__)
#define POOL__MAP_39(f, x, ...) f(x), POOL__MAP_38(f, __VA_ARGS__)
#define POOL__MAP_40(f, x, ...) f(x), POOL__MAP_39(f, __VA_ARGS__)
#define POOL__MAP_41(f, x, ...) f(x), POOL__MAP_40(f, __VA_ARGS__)
#define POOL__MAP_42(f, x, ...) f(x), POOL__MAP_41(f, __VA_ARGS__)
#define POOL__MAP_43(f, x, ...) f(x), POOL__MAP_42(f, __VA_ARGS__)
#define POOL__MAP_44(f, x, ...) f(x), POOL__MAP_43(f, __VA_ARGS__)
#define POOL__MAP_45(f, x, ...) f(x), POOL__MAP_44(f, __VA_ARGS__)
#define POOL__MAP_46(f, x, ...) f(x), POOL__MAP_45(f, __VA_ARGS__)
#define POOL__MAP_47(f, x, ...) f(x), POOL__MAP_46(f, __VA_ARGS__)
#define POOL__MAP_48(f, x, ...) f(x), POOL__MAP_47(f, __VA_ARGS__)
#define POOL__MAP_49(f, x, ...) f(x), POOL__MAP_48(f, __VA_ARGS__)
#define POOL__MAP_50(f, x, ...) f(x), POOL__MAP_49(f, __VA_ARGS__)
#define POOL__MAP_51(f, x, ...) f(x), POOL__MAP_50(f, __VA_ARGS__)
#define POOL__MAP_52(f, x, ...) f(x), POOL__MAP_51(f, __VA_ARGS__)
#define POOL__MAP_53(f, x, ...) f(x), POOL__MAP_52(f, __VA_ARGS__)
#define POOL__MAP_54(f, x, ...) f(x), POOL__MAP_53(f, __VA_ARGS__)
#define POOL__MAP_55(f, x, ...) f(x), POOL__MAP_54(f, __VA_ARGS__)
#define POOL__MAP_56(f, x, ...) f(x), POOL__MAP_55(f, __VA_ARGS__)
#define POOL__MAP_57(f, x, ...) f(x), POOL__MAP_56(f, __VA_ARGS__)
#define POOL__MAP_58(f, x, ...) f(x), POOL__MAP_57(f, __VA_ARGS__)
#define POOL__MAP_59(f, x, ...) f(x), POOL__MAP_58(f, __VA_ARGS__)
#define POOL__MAP_60(f, x, ...) f(x), POOL__MAP_59(f, __VA_ARGS__)
#define POOL__MAP_61(f, x, ...) f(x), POOL__MAP_60(f, __VA_ARGS__)
#define POOL__MAP_62(f, x, ...) f(x), POOL__MAP_61(f, __VA_ARGS__)
#define POOL__MAP_63(f, x, ...) f(x), POOL__MAP_62(f, __VA_ARGS__)
#define POOL__MAP_64(f, x, ...) f(x), POOL__MAP_63(f, __VA_ARGS__)

/* clang-format on */
#endif /* __cplusplus */

/* ------------------------------------------------------------------------
 * C++ exceptions
 *
 * One that leaves the function given to pool_stream, pool_conn_stream or pool_transaction, to
 * one of those with _with behind it, or the progress function of pool_batch_with or
 * pool_conn_batch_with, is taken past the C code:
 * the call ends as if the function had returned false - the stream is stopped, the
 * transaction rolled back and not run again, the batch stopped and, if atomic, undone - the
 * connection is given back, and then the exception goes on to the caller.
 *
 * From everything else that the pool calls (hooks, the init and credentials functions, all
 * callbacks of calls with _async, whatever pool_dispatch runs) it could reach nobody: there
 * it ends the process by std::terminate, with the runtime's message, right where it is
 * thrown. Catch it inside. The same holds where the header is compiled without exceptions.
 */
#ifdef POOL__CARRIES
#undef pool_stream
#undef pool_stream_with
#undef pool_conn_stream
#undef pool_conn_stream_with
#undef pool_batch_with
#undef pool_conn_batch_with
#undef pool_transaction
#undef pool_transaction_with
#undef POOL__CARRIES

/* A function of the program's, its argument, and what it has thrown. */
template <class F> struct pool__carrier {
    F *fn;
    void *arg;
    std::exception_ptr thrown;

    pool__carrier(F *f, void *a) : fn(f), arg(a), thrown() {}
    pool__carrier(const pool__carrier &) = delete;
    pool__carrier &operator=(const pool__carrier &) = delete;
    template <class... T> bool call(T... args)
    {
        if (thrown)
            return false;
        try {
            return fn(args...);
#ifdef __GLIBCXX__
        } catch (abi::__forced_unwind &) { /* the thread ends */
            throw;
#endif
        } catch (...) {
            thrown = std::current_exception();
            return false;
        }
    }
    template <class R> R after(R result) const
    {
        if (thrown)
            std::rethrow_exception(thrown);
        return result;
    }
};

inline bool pool__carry_row(struct pool_result *row, void *arg)
{
    pool__carrier<pool_row_fn> *carrier = static_cast<pool__carrier<pool_row_fn> *>(arg);
    return carrier->call(row, carrier->arg);
}
inline bool pool__carry_progress(size_t done, size_t rows, void *arg)
{
    pool__carrier<pool_progress_fn> *carrier = static_cast<pool__carrier<pool_progress_fn> *>(arg);
    return carrier->call(done, rows, carrier->arg);
}
inline bool pool__carry_transaction(struct pool_conn conn, void *arg, struct pool_error *err)
{
    pool__carrier<pool_transaction_fn> *carrier =
        static_cast<pool__carrier<pool_transaction_fn> *>(arg);
    if (carrier->call(conn, carrier->arg, err))
        return true;
    if (carrier->thrown)
        pool_error_set(err, POOL_ERR_ROLLED_BACK, "the transaction function threw an exception");
    return false;
}

inline bool pool_stream(struct pool *pool, const char *sql, pool_args_view args, pool_row_fn *fn,
                        void *arg, struct pool_error *err)
{
    pool__carrier<pool_row_fn> carrier(fn, arg);
    return carrier.after(
        pool__c_stream(pool, sql, args, fn ? pool__carry_row : nullptr, &carrier, err));
}
inline bool pool_stream_with(struct pool *pool, const struct pool_request *request, pool_row_fn *fn,
                             void *arg, struct pool_error *err)
{
    pool__carrier<pool_row_fn> carrier(fn, arg);
    return carrier.after(
        pool__c_stream_with(pool, request, fn ? pool__carry_row : nullptr, &carrier, err));
}
inline bool pool_conn_stream(struct pool_conn conn, const char *sql, pool_args_view args,
                             pool_row_fn *fn, void *arg, struct pool_error *err)
{
    pool__carrier<pool_row_fn> carrier(fn, arg);
    return carrier.after(
        pool__c_conn_stream(conn, sql, args, fn ? pool__carry_row : nullptr, &carrier, err));
}
inline bool pool_conn_stream_with(struct pool_conn conn, const struct pool_request *request,
                                  pool_row_fn *fn, void *arg, struct pool_error *err)
{
    pool__carrier<pool_row_fn> carrier(fn, arg);
    return carrier.after(
        pool__c_conn_stream_with(conn, request, fn ? pool__carry_row : nullptr, &carrier, err));
}
inline bool pool_transaction_with(struct pool *pool, const struct pool_transaction_request *request,
                                  pool_transaction_fn *fn, void *arg, struct pool_error *err)
{
    pool__carrier<pool_transaction_fn> carrier(fn, arg);
    return carrier.after(pool__c_transaction_with(
        pool, request, fn ? pool__carry_transaction : nullptr, &carrier, err));
}
inline bool pool_transaction(struct pool *pool, pool_transaction_fn *fn, void *arg,
                             struct pool_error *err)
{
    pool__carrier<pool_transaction_fn> carrier(fn, arg);
    return carrier.after(
        pool__c_transaction(pool, fn ? pool__carry_transaction : nullptr, &carrier, err));
}
/* A batch that was stopped has no result, so there is none to free. */
inline struct pool_result *
pool_batch_with(struct pool *pool, const struct pool_batch_request *request, struct pool_error *err)
{
    if (!request || !request->progress)
        return pool__c_batch_with(pool, request, err);
    pool__carrier<pool_progress_fn> carrier(request->progress, request->progress_arg);
    struct pool_batch_request carried = *request;
    carried.progress = pool__carry_progress;
    carried.progress_arg = &carrier;
    return carrier.after(pool__c_batch_with(pool, &carried, err));
}
inline struct pool_result *pool_conn_batch_with(struct pool_conn conn,
                                                const struct pool_batch_request *request,
                                                struct pool_error *err)
{
    if (!request || !request->progress)
        return pool__c_conn_batch_with(conn, request, err);
    pool__carrier<pool_progress_fn> carrier(request->progress, request->progress_arg);
    struct pool_batch_request carried = *request;
    carried.progress = pool__carry_progress;
    carried.progress_arg = &carrier;
    return carrier.after(pool__c_conn_batch_with(conn, &carried, err));
}
#endif

#endif /* MYPOOL_H */
