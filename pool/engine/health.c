/*
 * How the outcome of connects decides on the next ones.
 *
 * A failure is followed by a pause that grows (policy.c), with one connect at a time after
 * it. A server that is full sets a ceiling at what the pool has, and is probed for more,
 * ever more rarely while it refuses; who has nothing asks more often than who has some, so
 * that a free place goes to the poor. What the server says after the login, in the set-up of
 * the session, counts as what it says to the login; only a session that ends there, as when
 * somebody kills it, is no reason to pause.
 *
 * New connections are spread out in time. One serves many waiters with short statements, and
 * after an outage, or when many sessions are killed at once, that shows within milliseconds:
 * so they come one after the other then, for as long as somebody waits.
 *
 * Every function takes health.lock for a moment; hooks are called without it.
 */
#include "engine/health.h"

#include "core/slots.h"
#include "engine/hooks.h"
#include "engine/pool.h"

#define INTERRUPTIONS                                                                              \
    16 /* set-ups in a row that may be cut off before the server counts as away                    \
        */

void pool__health_init(struct pool__health *health, unsigned limit)
{
    pool__mutex_init(&health->lock);
    health->parallel = POOL__MANY_CONNECTS;
    health->pace = pool__policy_new_pace(limit);
    health->random = pool__now_ns() | 1;
}

static void note_capacity_locked(struct pool__health *health, unsigned open, uint64_t now)
{
    health->ceiling = open > 0 ? open : 1;
    health->refused_at = open;
    unsigned refusals = open > 0 ? ++health->refusals : 1;
    health->ceiling_until_ns = pool__after_ms(now, pool__policy_probe_ms(refusals));
}

/* In its set-up a session is refused by other numbers than the login is. */
static enum pool__connect_class class_of(const struct pool_error *failure, bool logged_in)
{
    enum pool__connect_class class_ = pool__classify_connect(failure->server_errno);
    bool refused = logged_in && failure->code == POOL_ERR_AUTH;
    return refused && class_ == POOL__CONNECT_TRANSIENT ? POOL__CONNECT_PERMANENT : class_;
}

static void note_failure_locked(struct pool__health *health, const struct pool_error *failure,
                                enum pool__connect_class class_, bool interrupted, unsigned open)
{
    uint64_t now = pool__now_ns();
    health->failures++;
    health->class_ = class_;
    health->cause = *failure;
    health->parallel = pool__policy_ramp(health->parallel, false);
    health->random = health->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    health->next_try_ns =
        pool__after_ms(now, pool__policy_backoff_ms(class_, interrupted ? 1 : health->failures,
                                                    (uint32_t)(health->random >> 32)));
    if (class_ == POOL__CONNECT_CAPACITY)
        note_capacity_locked(health, open, now);
    health->state = open ? POOL_STATE_RETRYING : POOL_STATE_DOWN;
}

static void note_success_locked(struct pool__health *health, unsigned open)
{
    if (health->failures) /* everybody has waited for this one */
        pool__policy_pace_return(&health->pace, pool__now_ns());
    if (open + 1 > health->refused_at)
        health->refusals = 0;
    health->failures = 0;
    health->next_try_ns = 0;
    health->parallel = pool__policy_ramp(health->parallel, true);
    health->state = health->read_only ? POOL_STATE_RETRYING : POOL_STATE_UP;
}

/* One thread at a time tells the hook, outside the lock, until what it has told is what is
 * so: in whatever order the threads come here, the last word is right. */
void pool__health_tell(struct pool *pool)
{
    struct pool__health *health = &pool->health;
    pool__lock(&health->lock);
    bool teller = !health->telling;
    health->telling = true;
    while (teller && health->told != health->state) {
        enum pool_state state = health->state;
        struct pool_error cause = health->cause;
        health->told = state;
        pool__unlock(&health->lock);
        pool__hooks_tell_state(pool, state, state == POOL_STATE_UP ? NULL : cause.message);
        pool__lock(&health->lock);
    }
    if (teller)
        health->telling = false;
    pool__unlock(&health->lock);
}

/* A server that lets the pool in is up. That the new connection was lost in its set-up
 * (somebody kills sessions, say) is no reason to pause; unless it goes on and on, as
 * with a proxy that has no server behind it. Then there are pauses, but short ones. */
void pool__health_report(struct pool *pool, const struct pool_error *failure, bool logged_in)
{
    struct pool__health *health = &pool->health;
    bool interrupted = failure && logged_in && failure->code == POOL_ERR_LOST;
    unsigned open = pool__slots_open_count(&pool->core);
    pool__lock(&health->lock);
    if (!interrupted)
        health->interruptions = 0;
    if (interrupted && ++health->interruptions <= INTERRUPTIONS)
        health->cause = *failure;
    else if (failure)
        note_failure_locked(health, failure, class_of(failure, logged_in), interrupted, open);
    else
        note_success_locked(health, open);
    pool__unlock(&health->lock);
    pool__health_tell(pool);
}

void pool__health_note_loss(struct pool__health *health, uint64_t now)
{
    pool__lock(&health->lock);
    pool__policy_pace_loss(&health->pace, now);
    pool__unlock(&health->lock);
}

static void sooner(uint64_t *wake_ns, uint64_t at_ns)
{
    if (at_ns < *wake_ns)
        *wake_ns = at_ns;
}

/* Above the ceiling one connection is tried at a time; `ceiling_until_ns` is when. */
static void limit_locked(struct pool__health *health, unsigned most, struct pool__demand *demand,
                         uint64_t now, uint64_t *wake_ns)
{
    if (health->ceiling && now >= health->ceiling_until_ns) {
        health->ceiling = health->ceiling < most ? health->ceiling + 1 : 0;
        health->ceiling_until_ns = pool__after_ms(now, pool__policy_probe_ms(1));
    }
    if (!health->ceiling || health->ceiling >= demand->limit)
        return;
    demand->limit = health->ceiling;
    sooner(wake_ns, health->ceiling_until_ns);
}

bool pool__health_ask(struct pool *pool, struct pool__demand *demand, uint64_t now,
                      uint64_t *wake_ns)
{
    struct pool__health *health = &pool->health;
    pool__lock(&health->lock);
    demand->parallel = health->parallel;
    limit_locked(health, pool->core.limit, demand, now, wake_ns);
    bool allowed = now >= health->next_try_ns;
    if (!allowed)
        sooner(wake_ns, health->next_try_ns);
    pool__unlock(&health->lock);
    return allowed;
}

unsigned pool__health_pace(struct pool__health *health, unsigned count, uint64_t now,
                           uint64_t *wake_ns)
{
    if (count == 0)
        return 0;
    pool__lock(&health->lock);
    unsigned most = pool__policy_pace(&health->pace, now);
    unsigned allowed = count < most ? count : most;
    pool__policy_pace_opens(&health->pace, now, allowed);
    if (allowed < count)
        sooner(wake_ns, pool__policy_next_pace_ns(&health->pace, now));
    pool__unlock(&health->lock);
    return allowed;
}
