/*
 * A server that refuses writes: it has become a replica, say, and the primary is elsewhere
 * under the same name.
 *
 * The first refusal has all connections replaced, so that new ones find the new primary. If
 * a write is refused on one of those, too, the server itself takes no writes for now, and
 * another round of connects would change nothing. Then the pool keeps what it has, which
 * serves reads, and replaces one connection at a time, after a pause that grows as after failed
 * connects. A new connection is asked whether its server is read-only; as soon as one is not,
 * the older ones follow it.
 *
 * Times are those at which a connection was lent for the first time: what is being opened is
 * never evicted. Any thread; the fields are under health.lock.
 */
#include "engine/replica.h"

#include "base/sync.h"
#include "conn/conn.h"
#include "conn/query.h"
#include "core/classify.h"
#include "core/policy.h"
#include "core/slots.h"
#include "engine/giveback.h"
#include "engine/health.h"
#include "engine/pool.h"

#include <string.h>

#define CALM_NS (2000 * POOL__NS_PER_MS) /* so long without a refusal: all is well again */

enum verdict { KEEP, REPLACE, REPLACE_ALL };

static uint64_t pause_locked(struct pool__health *health, uint64_t now, unsigned *in_a_row)
{
    ++*in_a_row;
    health->random = health->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return pool__after_ms(now, pool__policy_backoff_ms(POOL__CONNECT_TRANSIENT, *in_a_row,
                                                       (uint32_t)(health->random >> 32)));
}

static bool is_calm_locked(const struct pool__health *health, uint64_t now)
{
    return !health->refused_ns || now - health->refused_ns >= CALM_NS;
}

static void begin_locked(struct pool__health *health, uint64_t now)
{
    health->evictions = 0;
    health->replacements = 0;
    health->evicted_ns = now;
    health->next_evict_ns = pause_locked(health, now, &health->evictions);
    health->next_replace_ns = pause_locked(health, now, &health->replacements);
}

/* `opened_ns` is that of the connection on which the write was refused. */
static enum verdict judge_locked(struct pool__health *health, uint64_t opened_ns,
                                 const struct pool_error *refusal, uint64_t now)
{
    bool calm = is_calm_locked(health, now);
    health->refused_ns = now;
    if (opened_ns <= health->evicted_ns)
        return REPLACE; /* it should have gone with the others */
    if (calm) {
        begin_locked(health, now);
        return REPLACE_ALL;
    }
    health->read_only = true;
    health->cause = *refusal;
    if (health->state == POOL_STATE_UP)
        health->state = POOL_STATE_RETRYING;
    if (now < health->next_replace_ns)
        return KEEP;
    health->next_replace_ns = pause_locked(health, now, &health->replacements);
    return REPLACE;
}

static void evict(struct pool *pool, unsigned slot)
{
    atomic_store(&pool->records[slot].evict_reason, POOL_CLOSE_READ_ONLY);
    if (pool__slots_evict(&pool->core, slot))
        pool__giveback_hand_in(pool, slot, false, POOL_CLOSE_READ_ONLY);
}

static void evict_older(struct pool *pool, uint64_t than_ns)
{
    for (unsigned slot = 0; slot < pool->core.limit; slot++)
        if (atomic_load(&pool->records[slot].opened_ns) < than_ns)
            evict(pool, slot);
}

void pool__replica_note_refusal(struct pool *pool, unsigned slot, const struct pool_error *refusal)
{
    struct pool__health *health = &pool->health;
    uint64_t opened_ns = atomic_load(&pool->records[slot].opened_ns);
    uint64_t now = pool__now_ns();
    pool__lock(&health->lock);
    enum verdict verdict = judge_locked(health, opened_ns, refusal, now);
    pool__unlock(&health->lock);
    if (verdict == REPLACE_ALL)
        evict_older(pool, now + 1);
    else if (verdict == REPLACE)
        evict(pool, slot);
    pool__health_tell(pool);
}

/* Servers say 0 and 1, or OFF and ON. */
static bool takes_writes(struct pool__conn *conn, uint64_t deadline_ns, struct pool_error *err)
{
    static const char sql[] = "SELECT @@read_only";
    struct pool_result *row = pool__query_text(conn, sql, sizeof sql - 1, deadline_ns, err);
    const char *text = row && pool_next(row) ? pool_get_text(row, 0) : NULL;
    bool yes = text && (strcmp(text, "0") == 0 || strcmp(text, "OFF") == 0);
    pool_result_free(row);
    return yes;
}

static bool looks_for_primary(struct pool *pool)
{
    pool__lock(&pool->health.lock);
    bool looks = !is_calm_locked(&pool->health, pool__now_ns());
    pool__unlock(&pool->health.lock);
    return looks;
}

/* What the server says may be wrong, behind a proxy for one: hence the pauses here, too. True:
 * the older ones are to follow. */
static bool found_locked(struct pool__health *health, uint64_t now)
{
    if (!health->read_only || now < health->next_evict_ns)
        return false;
    health->read_only = false;
    health->evicted_ns = now;
    health->next_evict_ns = pause_locked(health, now, &health->evictions);
    return true;
}

bool pool__replica_look(struct pool *pool, struct pool__conn *conn, uint64_t deadline_ns,
                        struct pool_error *err)
{
    struct pool__health *health = &pool->health;
    if (!looks_for_primary(pool))
        return true;
    if (takes_writes(conn, deadline_ns, err)) {
        uint64_t now = pool__now_ns();
        pool__lock(&health->lock);
        bool found = found_locked(health, now);
        pool__unlock(&health->lock);
        if (found)
            evict_older(pool, now);
    }
    return !conn->broken;
}

void pool__replica_forget(struct pool *pool, uint64_t now)
{
    struct pool__health *health = &pool->health;
    pool__lock(&health->lock);
    bool over = health->read_only && is_calm_locked(health, now);
    if (over)
        health->read_only = false;
    if (over && !health->failures)
        health->state = POOL_STATE_UP;
    pool__unlock(&health->lock);
    if (over)
        pool__health_tell(pool);
}
