/*
 * A hash table with a recency list. A statement that the server cannot prepare is
 * remembered without a native handle, so that it goes as text next time. The
 * budget counts native handles of the whole pool; a connection that finds it spent
 * gives up its own oldest handle first, and else sends text.
 *
 * MySQL takes over the types of the values of the first execution and converts what comes
 * later to them: once a number was compared with a column of text, every text is a number. So
 * there a text is prepared once for each combination of types. To prepare it again whenever
 * they change would cost a round trip each time, half of the speed when callers alternate. A
 * NULL goes with any type if the values stand alone, where its type has no effect; otherwise
 * a table with many columns that may be NULL had a statement for each way to fill it. MariaDB
 * takes the types anew each time, and its statements have none here.
 */
#include "conn/stmt.h"

#include "base/error.h"
#include "conn/bind.h"
#include "sql/alone.h"

#include <mysql.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ALIKE 8 /* statements with the same text, for different types */

void pool__stmt_cache_init(struct pool__stmt_cache *cache, unsigned limit,
                           struct pool__stmt_budget *budget)
{
    memset(cache, 0, sizeof *cache);
    cache->limit = limit;
    cache->budget = budget;
    pool__list_init(&cache->recent);
}

static struct pool__stmt **bucket_of(const struct pool__stmt_cache *cache, uint64_t hash)
{
    return &cache->buckets[hash & (cache->bucket_count - 1)];
}

static void free_stmt(struct pool__stmt *stmt)
{
    if (!stmt)
        return;
    free(stmt->sql);
    free(stmt->columns);
    free(stmt->binds);
    free(stmt->store);
    free(stmt->types);
    free(stmt);
}

static void remove_stmt(struct pool__stmt_cache *cache, struct pool__stmt *stmt)
{
    struct pool__stmt **place = bucket_of(cache, stmt->hash);
    while (*place != stmt)
        place = &(*place)->next_in_bucket;
    *place = stmt->next_in_bucket;
    pool__list_remove(&stmt->link);
    cache->count--;
    pool__stmt_close_native(cache, stmt);
    free_stmt(stmt);
}

void pool__stmt_cache_fini(struct pool__stmt_cache *cache)
{
    struct pool__link *link;
    while (cache->count && (link = pool__list_first(&cache->recent)))
        remove_stmt(cache, POOL__ENTRY(link, struct pool__stmt, link));
    free(cache->buckets);
    cache->buckets = NULL;
    cache->bucket_count = 0;
    cache->prepared = false;
    cache->writes_last = false;
}

static void touch(struct pool__stmt_cache *cache, struct pool__stmt *stmt)
{
    if (cache->recent.next == &stmt->link)
        return;
    pool__list_remove(&stmt->link);
    pool__list_append(cache->recent.next, &stmt->link); /* before the first */
}

static bool fits(const struct pool__stmt *stmt, struct pool__stmt_values values)
{
    if (!stmt->types || values.count > stmt->info.placeholders)
        return true;
    for (size_t i = 0; i < values.count; i++) {
        enum pool_type type = values.list[i]->type;
        if (type != stmt->types[i] && !(type == POOL_TYPE_NULL && stmt->alone))
            return false;
    }
    return true;
}

struct pool__stmt *pool__stmt_peek(const struct pool__stmt_cache *cache, const char *sql,
                                   size_t len, uint64_t hash, struct pool__stmt_values values)
{
    if (!cache->buckets)
        return NULL;
    struct pool__stmt *stmt = *bucket_of(cache, hash);
    while (stmt && (stmt->hash != hash || stmt->len != len || memcmp(stmt->sql, sql, len) != 0 ||
                    !fits(stmt, values)))
        stmt = stmt->next_in_bucket;
    return stmt;
}

struct pool__stmt *pool__stmt_find(struct pool__stmt_cache *cache, const char *sql, size_t len,
                                   uint64_t hash, struct pool__stmt_values values)
{
    struct pool__stmt *stmt = pool__stmt_peek(cache, sql, len, hash, values);
    if (stmt)
        touch(cache, stmt);
    return stmt;
}

void pool__stmt_note_types(struct pool__stmt *stmt, struct pool__stmt_values values)
{
    if (stmt->types && values.count <= stmt->info.placeholders)
        for (size_t i = 0; i < values.count; i++)
            stmt->types[i] = (uint8_t)values.list[i]->type;
}

/* A quarter of what is new: a statement that has become slow is known after a few times. Once
 * is no time: any thread is off its processor for milliseconds now and then. */
void pool__stmt_note_time(struct pool__stmt *stmt, uint64_t ns)
{
    uint64_t twice_ns = stmt->last_ns && stmt->last_ns < ns ? stmt->last_ns : ns;
    stmt->last_ns = ns;
    stmt->mean_ns = stmt->mean_ns ? stmt->mean_ns - stmt->mean_ns / 4 + twice_ns / 4 : ns;
    stmt->mean_ns |= 1; /* never 0 again */
}

/* Down at once and up slowly: close to the least. */
void pool__stmt_note_reply(struct pool__stmt *stmt, size_t bytes)
{
    if (!stmt->reply_bytes || bytes < stmt->reply_bytes)
        stmt->reply_bytes = bytes;
    else
        stmt->reply_bytes += (bytes - stmt->reply_bytes + 15) / 16;
}

static bool make_buckets(struct pool__stmt_cache *cache)
{
    unsigned count = 16;
    while (count < cache->limit)
        count *= 2;
    cache->buckets = calloc(count, sizeof(struct pool__stmt *));
    cache->bucket_count = cache->buckets ? count : 0;
    return cache->buckets != NULL;
}

static void evict_oldest(struct pool__stmt_cache *cache)
{
    remove_stmt(cache, POOL__ENTRY(cache->recent.prev, struct pool__stmt, link));
}

static struct pool__stmt *new_stmt(const char *sql, size_t len, uint64_t hash)
{
    struct pool__stmt *stmt = calloc(1, sizeof *stmt);
    if (!stmt || !(stmt->sql = malloc(len + 1))) {
        free_stmt(stmt);
        return NULL;
    }
    memcpy(stmt->sql, sql, len);
    stmt->sql[len] = '\0';
    stmt->len = len;
    stmt->hash = hash;
    return stmt;
}

static bool make_binds(struct pool__stmt *stmt, bool by_types)
{
    unsigned count = stmt->info.placeholders;
    if (count == 0)
        return true;
    stmt->binds = calloc(count, sizeof *stmt->binds);
    stmt->store = calloc(count, sizeof *stmt->store);
    if (by_types && !(stmt->types = calloc(count, 1)))
        return false;
    return stmt->binds && stmt->store;
}

/* So that a text with many combinations of types does not drive out all others. */
static void evict_one_of_too_many(struct pool__stmt_cache *cache, const struct pool__stmt *like)
{
    struct pool__stmt *oldest = NULL;
    unsigned count = 0;
    for (struct pool__link *link = cache->recent.next; link != &cache->recent; link = link->next) {
        struct pool__stmt *stmt = POOL__ENTRY(link, struct pool__stmt, link);
        if (stmt->hash == like->hash && stmt->len == like->len) {
            oldest = stmt;
            count++;
        }
    }
    if (count >= MOST_ALIKE)
        remove_stmt(cache, oldest);
}

struct pool__stmt *pool__stmt_add(struct pool__stmt_cache *cache, const char *sql, size_t len,
                                  uint64_t hash, struct pool__stmt_values values,
                                  struct pool_error *err)
{
    struct pool__sql_info info;
    if (!pool__inspect(sql, len, &info, err))
        return NULL;
    struct pool__stmt *stmt = new_stmt(sql, len, hash);
    if (stmt)
        stmt->info = info;
    if (!stmt || !make_binds(stmt, cache->by_types) || (!cache->buckets && !make_buckets(cache))) {
        free_stmt(stmt);
        pool__fail(err, POOL_ERR_NOMEM, "out of memory for a statement of %zu bytes", len);
        return NULL;
    }
    stmt->alone = pool__alone_is(sql, len);
    pool__stmt_note_types(stmt, values);
    if (cache->by_types)
        evict_one_of_too_many(cache, stmt);
    if (cache->count >= cache->limit)
        evict_oldest(cache);
    pool__list_append(cache->recent.next, &stmt->link);
    stmt->next_in_bucket = *bucket_of(cache, stmt->hash);
    *bucket_of(cache, stmt->hash) = stmt;
    cache->count++;
    return stmt;
}

/* Frees the handle of the statement that was used longest ago, other than `keep`. */
static bool give_up_one_native(struct pool__stmt_cache *cache, const struct pool__stmt *keep)
{
    struct pool__link *link = cache->recent.prev;
    for (; link != &cache->recent; link = link->prev) {
        struct pool__stmt *stmt = POOL__ENTRY(link, struct pool__stmt, link);
        if (stmt != keep && stmt->native) {
            pool__stmt_close_native(cache, stmt);
            return true;
        }
    }
    return false;
}

static bool spend(struct pool__stmt_budget *budget)
{
    uint64_t limit = atomic_load_explicit(&budget->limit, memory_order_relaxed);
    if (atomic_fetch_add(&budget->used, 1) < limit || limit == 0)
        return true;
    atomic_fetch_sub(&budget->used, 1);
    return false;
}

bool pool__stmt_make_native(struct pool__stmt_cache *cache, struct pool__stmt *stmt, MYSQL *mysql,
                            struct pool_error *err)
{
    pool__ok(err);
    while (!spend(cache->budget))
        if (!give_up_one_native(cache, stmt))
            return false;
    stmt->native = mysql_stmt_init(mysql);
    if (stmt->native)
        return true;
    atomic_fetch_sub(&cache->budget->used, 1);
    return pool__fail(err, POOL_ERR_NOMEM, "out of memory for a statement handle");
}

bool pool__stmt_cache_is_void(const struct pool__stmt_cache *cache)
{
    if (!cache->count)
        return false;
    for (struct pool__link *link = cache->recent.next; link != &cache->recent; link = link->next) {
        const struct pool__stmt *stmt = POOL__ENTRY(link, struct pool__stmt, link);
        if (stmt->native && !stmt->native->mysql)
            return true;
    }
    return false;
}

void pool__stmt_close_native(struct pool__stmt_cache *cache, struct pool__stmt *stmt)
{
    if (!stmt->native)
        return;
    mysql_stmt_close(stmt->native);
    stmt->native = NULL;
    atomic_fetch_sub(&cache->budget->used, 1);
}

void pool__stmt_cache_close_natives(struct pool__stmt_cache *cache)
{
    if (!cache->count)
        return;
    for (struct pool__link *link = cache->recent.next; link != &cache->recent; link = link->next)
        pool__stmt_close_native(cache, POOL__ENTRY(link, struct pool__stmt, link));
}
