/*
 * The one thread that watches: sockets, so that a connection that the server closed
 * leaves the pool within a millisecond; and time, so that idle, old, silent and
 * leaked connections are noticed. It makes no blocking call; what has to be done with
 * a server it orders from the workers.
 *
 * A dead idle connection is taken out of the pool here; a dead borrowed one is marked, and
 * closed when it comes back.
 *
 * Time costs borrowers nothing: they read no clock, for the keeper looks at each slot at
 * every tick (seen.c). The tick is an eighth of the shortest limit, at most one second, and
 * stops when there is nothing to watch.
 */
#include "engine/keeper.h"

#include "base/sync.h"
#include "conn/conn.h"
#include "conn/trim.h"
#include "core/classify.h"
#include "core/core.h"
#include "core/hooked.h"
#include "core/policy.h"
#include "core/queue.h"
#include "core/slots.h"
#include "engine/chores.h"
#include "engine/health.h"
#include "engine/hooks.h"
#include "engine/label.h"
#include "engine/open.h"
#include "engine/pool.h"
#include "engine/replica.h"
#include "engine/seen.h"
#include "engine/tick.h"
#include "engine/watch.h"

#include <sys/eventfd.h>

#define CONTROL_IDLE_NS (10000 * POOL__NS_PER_MS)

/* Demand: open what is wanted, or tell waiters that it cannot be had */

static void open_what_is_wanted(struct pool *pool, uint64_t now, uint64_t *wake_ns)
{
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&pool->core, counts);
    struct pool__demand demand = {
        .limit = pool->core.limit,
        .counted = pool->core.limit - counts[POOL__SLOT_EMPTY],
        .idle = counts[POOL__SLOT_IDLE] + counts[POOL__SLOT_CHORE],
        .opening = counts[POOL__SLOT_OPENING],
        .min_idle = pool->options.v.min_idle,
        .waiting = atomic_load(&pool->core.waiting),
    };
    uint64_t unused = POOL__FOREVER;
    bool wanted = demand.waiting || demand.idle + counts[POOL__SLOT_BUSY] < demand.min_idle ||
                  demand.idle < demand.min_idle;
    if (!pool__health_ask(pool, &demand, now, wanted ? wake_ns : &unused))
        return;
    unsigned slot;
    unsigned count = pool__health_pace(&pool->health, pool__policy_opens(&demand), now, wake_ns);
    for (; count > 0; count--)
        if (pool__slots_reserve_empty(&pool->core, &slot))
            pool__open_order(pool, slot);
}

/* How long those who wait may hope for a connect. Not at all after a refusal that will be
 * repeated; but when the pause after it is over, the next try has the last word. */
static uint64_t patience_locked(const struct pool *pool, uint64_t now)
{
    const struct pool__health *health = &pool->health;
    uint64_t patience = pool__after_ms(0, pool->options.v.fail_fast_ms);
    bool refused =
        health->class_ != POOL__CONNECT_TRANSIENT && health->class_ != POOL__CONNECT_CAPACITY;
    return refused && now < health->next_try_ns && patience != POOL__FOREVER ? 0 : patience;
}

static void fail_fast(struct pool *pool, uint64_t now, uint64_t *wake_ns)
{
    struct pool__health *health = &pool->health;
    uint64_t oldest = pool__queue_oldest_ns(&pool->core);
    pool__lock(&health->lock);
    uint64_t patience = patience_locked(pool, now);
    bool down = health->failures > 0 && patience != POOL__FOREVER && oldest != POOL__FOREVER &&
                pool__slots_open_count(&pool->core) == 0;
    bool now_down = down && now >= oldest + patience;
    if (now_down) /* the last connection may have gone long after the last try */
        health->state = POOL_STATE_DOWN;
    pool__unlock(&health->lock);
    if (now_down) {
        pool__health_tell(pool);
        pool__queue_fail_waiters(&pool->core, POOL__QUEUE_FAILED, now - patience);
        oldest = pool__queue_oldest_ns(&pool->core);
    }
    if (down && oldest != POOL__FOREVER && oldest + patience < *wake_ns)
        *wake_ns = oldest + patience;
}

/* Age: idle, old, silent, leaked */

static void evict(struct pool *pool, unsigned slot, enum pool_close_reason reason)
{
    atomic_store(&pool->records[slot].evict_reason, reason);
    if (pool__slots_evict(&pool->core, slot))
        pool__chores_order_close(pool, slot, reason);
}

/* The server has closed it. */
static void lose(struct pool *pool, unsigned slot)
{
    pool__health_note_loss(&pool->health, pool__now_ns());
    evict(pool, slot, POOL_CLOSE_SERVER);
}

/* Off the callers' path. It is not borrowed for as long as that takes. */
static void trim(struct pool *pool, unsigned slot)
{
    if (!atomic_load(&pool->records[slot].bulky) || !pool__slots_reserve_idle(&pool->core, slot))
        return;
    atomic_store(&pool->records[slot].bulky, false);
    pool__trim(pool->core.slots[slot].conn);
    pool__chores_give_or_close(pool, slot);
}

/* What a tick has to spare. */
struct round {
    unsigned idle_count;  /* connections that nobody uses */
    unsigned retirements; /* so many connections may still be retired */
};

static enum pool__idle_action judge_idle(struct pool *pool, unsigned slot, uint64_t now,
                                         const struct round *round)
{
    struct pool__slot_record *record = &pool->records[slot];
    const struct pool_options *v = &pool->options.v;
    struct pool__idleness idleness = {
        .idle_ns = pool__seen_for_ns(&record->seen, now),
        .silent_ns = pool__seen_silent_ns(&record->seen, now),
        .too_old = now >= atomic_load(&record->retire_ns) && round->retirements > 0,
        .idle_count = round->idle_count,
        .min_idle = v->min_idle,
        .idle_timeout_ns = pool__after_ms(0, v->idle_timeout_ms),
        .keepalive_ns = atomic_load(&record->keepalive_ns),
    };
    return pool__policy_idle(&idleness);
}

static void look_at_idle(struct pool *pool, unsigned slot, uint64_t now, struct round *round)
{
    struct pool__slot_record *record = &pool->records[slot];
    enum pool__idle_action action = judge_idle(pool, slot, now, round);
    if (action == POOL__IDLE_STAY && pool__seen_for_ns(&record->seen, now) > 0)
        trim(pool, slot);
    if (action == POOL__IDLE_STAY || !pool__slots_reserve_idle(&pool->core, slot))
        return;
    round->idle_count--;
    round->retirements -= action == POOL__IDLE_RETIRE;
    if (action == POOL__IDLE_PING) {
        record->seen.pinged_ns = now;
        pool__chores_order_ping(pool, slot);
        return;
    }
    pool__chores_order_close(pool, slot,
                             action == POOL__IDLE_RETIRE ? POOL_CLOSE_LIFETIME : POOL_CLOSE_IDLE);
}

static void look_at_busy(struct pool *pool, unsigned slot, uint64_t now)
{
    struct pool__slot_record *record = &pool->records[slot];
    uint64_t held = pool__seen_for_ns(&record->seen, now);
    if (now >= atomic_load(&record->retire_ns))
        evict(pool, slot, POOL_CLOSE_LIFETIME); /* it may have come back meanwhile */
    if (record->seen.leak_reported || held < pool__after_ms(0, pool->options.v.leak_after_ms))
        return;
    record->seen.leak_reported = true;
    atomic_fetch_add(&pool->counters.leaks, 1);
    char label[64];
    pool__label_copy(pool, slot, label);
    uint64_t held_ms = held / POOL__NS_PER_MS;
    pool__hooks_tell_leak(pool, label, held_ms < POOL_NEVER ? (uint32_t)held_ms : POOL_NEVER);
}

static void look_at_closing(struct pool *pool, unsigned slot, uint64_t now)
{
    if (pool__watch_wants_kill(pool, slot, now))
        pool__chores_order_kill(pool, slot);
}

/* The clock is read after the state: what the state's last owner noted is in the past. */
static void look_at_slot(struct pool *pool, unsigned slot, struct round *round)
{
    struct pool__slot *of_core = &pool->core.slots[slot];
    uint64_t uses = atomic_load_explicit(&of_core->uses, memory_order_relaxed);
    enum pool__slot_state state = pool__slot_state_of(atomic_load(&of_core->word));
    uint64_t now = pool__now_ns();
    pool__seen_note(&pool->records[slot].seen, uses, state, now);
    if (state == POOL__SLOT_IDLE)
        look_at_idle(pool, slot, now, round);
    else if (state == POOL__SLOT_BUSY)
        look_at_busy(pool, slot, now);
    else if (state == POOL__SLOT_CLOSING)
        look_at_closing(pool, slot, now);
}

static void close_idle_control(struct pool *pool)
{
    if (pthread_mutex_trylock(&pool->control.lock) != 0)
        return;
    struct pool__conn *conn = pool->control.conn;
    if (conn && pool__now_ns() - pool->control.used_ns >= CONTROL_IDLE_NS) {
        pool->control.conn = NULL;
        atomic_store(&pool->control.open, false);
        pool__close_fd(pool__conn_close(conn));
    }
    pthread_mutex_unlock(&pool->control.lock);
}

static void check_suspects(struct pool *pool)
{
    if (!atomic_exchange(&pool->check_all, false))
        return;
    for (unsigned slot = 0; slot < pool->core.limit; slot++)
        if (pool__slots_reserve_idle(&pool->core, slot))
            pool__chores_order_ping(pool, slot);
}

static void tick(struct pool *pool)
{
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&pool->core, counts);
    /* Retirements are spread out: a tenth of the pool per tick at most. */
    struct round round = {counts[POOL__SLOT_IDLE], pool->core.limit / 10 + 1};
    atomic_store(&pool->losses, 0);
    /* From the top, so that the connections that are used least go first. */
    for (unsigned slot = pool->core.limit; slot-- > 0;)
        look_at_slot(pool, slot, &round);
    close_idle_control(pool);
    pool__replica_forget(pool, pool__now_ns());
}

static int timeout_until(uint64_t wake_ns)
{
    if (wake_ns == POOL__FOREVER)
        return -1;
    uint64_t now = pool__now_ns();
    uint64_t ms = wake_ns > now ? (wake_ns - now + POOL__NS_PER_MS - 1) / POOL__NS_PER_MS : 0;
    return ms > 60000 ? 60000 : (int)ms;
}

static bool something_to_watch(struct pool *pool)
{
    unsigned counts[POOL__SLOT_STATES];
    pool__slots_count(&pool->core, counts);
    return counts[POOL__SLOT_EMPTY] < pool->core.limit || atomic_load(&pool->control.open) ||
           atomic_load(&pool->health.read_only);
}

/* Returns when the next tick is. */
static uint64_t tick_if_due(struct pool *pool, uint64_t now, uint64_t next_tick)
{
    /* A new connection may have shortened the tick. */
    next_tick = pool__earlier(next_tick, now + atomic_load(&pool->tick_ns));
    if (now < next_tick)
        return next_tick;
    tick(pool);
    return now + atomic_load(&pool->tick_ns);
}

/* Returns until when the keeper may sleep if nobody pokes it. */
static uint64_t tend(struct pool *pool, uint64_t now, uint64_t next_tick)
{
    uint64_t wake_ns = something_to_watch(pool) ? next_tick : POOL__FOREVER;
    if (atomic_load(&pool->ending))
        return wake_ns;
    check_suspects(pool);
    open_what_is_wanted(pool, now, &wake_ns);
    fail_fast(pool, now, &wake_ns);
    return wake_ns;
}

static void *keep(void *arg)
{
    struct pool *pool = arg;
    struct pool__hooked hooked;
    pool__hooked_enter(&hooked, pool, &pool->core);
    uint64_t next_tick = 0;
    uint64_t wake_ns = pool__now_ns();
    pthread_setname_np(pthread_self(), "mypool-keeper");
    while (!atomic_load(&pool->stop_keeper)) {
        pool__watch_wait(pool, timeout_until(wake_ns), lose);
        uint64_t now = pool__now_ns();
        next_tick = tick_if_due(pool, now, next_tick);
        wake_ns = tend(pool, now, next_tick);
    }
    return NULL;
}

bool pool__keeper_start(struct pool *pool)
{
    pool__tick_init(pool);
    pool->cut_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pool->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!pool__watch_init(pool) || pool->cut_fd < 0 || pool->stop_fd < 0)
        return false;
    pool->keeper_started = pool__thread_start(&pool->keeper, keep, pool);
    return pool->keeper_started;
}

void pool__keeper_stop(struct pool *pool)
{
    if (!pool->keeper_started)
        return;
    atomic_store(&pool->stop_keeper, true);
    atomic_store(&pool->poked, false);
    pool__watch_poke(pool);
    pthread_join(pool->keeper, NULL);
    pool->keeper_started = false;
}
