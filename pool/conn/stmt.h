/*
 * The prepared statements of one connection, by SQL text (and, where the server wants it, by
 * the types of the values), least recently used last; and the budget that all connections of a
 * pool share, because the server limits prepared statements globally.
 *
 * A cache belongs to the owner of its connection; the budget is atomic.
 */
#ifndef POOL_CONN_STMT_H
#define POOL_CONN_STMT_H

#include "base/list.h"
#include "conn/budget.h"
#include "result/known_columns.h"
#include "sql/inspect.h"
#include "sql/statement.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool__bind_store;

struct st_mysql;      /* libmariadb's MYSQL */
struct st_mysql_bind; /* libmariadb's MYSQL_BIND */
struct st_mysql_stmt; /* libmariadb's MYSQL_STMT */

struct pool__stmt {
    struct pool__link link; /* in cache.recent, most recent first */
    struct pool__stmt *next_in_bucket;
    uint64_t hash;
    char *sql;
    size_t len;
    struct pool__sql_info info;
    struct st_mysql_stmt *native;        /* NULL: goes as text */
    bool text_only;                      /* the server cannot prepare it, or the pool never does */
    bool not_in_bulk;                    /* it does not take many rows at once */
    bool alone;                          /* its values stand alone, see alone.h */
    struct pool__known_columns *columns; /* of its last reply; NULL: not known, or none */
    bool refused;       /* the server would not prepare it the last time, for an error in it */
    bool outdated;      /* its columns have changed: prepare anew for the next use */
    bool leaves_traces; /* a trigger or so of it has changed the session */
    uint64_t mean_ns;   /* of one execution without the way to the server, moving average; 0: not
                           known yet */
    uint64_t last_ns;   /* of the last one; 0: there was none */
    size_t reply_bytes; /* seldom fewer; 0: not known yet */
    struct st_mysql_bind *binds; /* info.placeholders of them */
    struct pool__bind_store *store;
    uint8_t *types; /* of the values with which it was prepared; NULL: they do not matter */
};

struct pool__stmt_cache {
    struct pool__stmt **buckets; /* made with the first statement */
    unsigned bucket_count;       /* a power of two */
    unsigned count;
    unsigned limit;
    struct pool__link recent;
    bool writes_last; /* the statement prepared last may write */
    bool prepared;    /* any was prepared */
    bool by_types; /* the server keeps the types of the first execution: they are part of the key */
    uint64_t hits; /* statements found prepared; the borrower moves them to its slot */
    struct pool__stmt_budget *budget;
};

void pool__stmt_cache_init(struct pool__stmt_cache *cache, unsigned limit,
                           struct pool__stmt_budget *budget);
/* Frees all statements. If the connection is open, native handles must have been closed or be
 * invalid. */
void pool__stmt_cache_fini(struct pool__stmt_cache *cache);

/* The values that a statement is to be executed with. Only their types are looked at, and only if
 * the cache is `by_types`. */
struct pool__stmt_values {
    const struct pool_value *const *list;
    size_t count; /* 0: of no account */
};
static inline struct pool__stmt_values pool__stmt_values_of(const struct pool__statement *statement)
{
    return (struct pool__stmt_values){statement->values, statement->count};
}

struct pool__stmt *pool__stmt_find(struct pool__stmt_cache *cache, const char *sql, size_t len,
                                   uint64_t hash, struct pool__stmt_values values);

/* Finds the statement as well, but that does not count as a use of it. */
struct pool__stmt *pool__stmt_peek(const struct pool__stmt_cache *cache, const char *sql,
                                   size_t len, uint64_t hash, struct pool__stmt_values values);

/* Notes that the statement is about to be prepared, and then executed with these values. */
void pool__stmt_note_types(struct pool__stmt *stmt, struct pool__stmt_values values);

/* Notes that one execution has taken so long, without the way to the server. */
void pool__stmt_note_time(struct pool__stmt *stmt, uint64_t ns);
/* Notes that one reply had so many bytes. */
void pool__stmt_note_reply(struct pool__stmt *stmt, size_t bytes);

/* Adds an inspected statement without a native handle, for values of these types; evicts the
 * oldest if full. */
struct pool__stmt *pool__stmt_add(struct pool__stmt_cache *cache, const char *sql, size_t len,
                                  uint64_t hash, struct pool__stmt_values values,
                                  struct pool_error *err);

/* Gives the statement a native handle, within the budget (evicting if need be).
 * False without an error in err: go as text this time. */
bool pool__stmt_make_native(struct pool__stmt_cache *cache, struct pool__stmt *stmt,
                            struct st_mysql *mysql, struct pool_error *err);
/* Whether the connection has taken the native handles away from under the cache: by a login or
 * reset that the pool did not ask for. */
bool pool__stmt_cache_is_void(const struct pool__stmt_cache *cache);
/* Closes the native handles of all statements, which are prepared again when they are used next. */
void pool__stmt_cache_close_natives(struct pool__stmt_cache *cache);
void pool__stmt_close_native(struct pool__stmt_cache *cache, struct pool__stmt *stmt);

#endif
