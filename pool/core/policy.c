/*
 * The rules of the pool in one place. Where a number is a judgement, the comment says
 * what it balances.
 */
#include "core/policy.h"

enum pool__fate pool__policy_returned(enum pool_reset_policy policy, bool broken, bool dirty,
                                      bool in_transaction)
{
    if (broken)
        return POOL__FATE_CLOSE;
    if (policy == POOL_RESET_ALWAYS)
        return POOL__FATE_RESET;
    if (policy == POOL_RESET_NEVER)
        return POOL__FATE_KEEP;
    return dirty || in_transaction ? POOL__FATE_RESET : POOL__FATE_KEEP;
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned above(unsigned a, unsigned b)
{
    return a > b ? a - b : 0;
}

unsigned pool__policy_opens(const struct pool__demand *demand)
{
    /* Each connect in flight will serve one waiter or become one idle. */
    unsigned wanted = demand->waiting + above(demand->min_idle, demand->idle);
    unsigned count = above(wanted, demand->opening);
    count = smaller(count, above(demand->limit, demand->counted));
    return smaller(count, above(demand->parallel, demand->opening));
}

uint32_t pool__policy_backoff_ms(enum pool__connect_class class_, unsigned failures,
                                 uint32_t random)
{
    /* Full jitter: anything from nothing to the exponential bound, so that many
     * clients do not come back together. A server that is merely down costs one
     * refused connect per try, and callers wait for it: hence the low bound, which
     * keeps the promise of a first success within 1 s. A server that is full has a
     * ceiling against those who have something (pool__policy_probe_ms); this is the
     * pause of those who have nothing. */
    static const uint32_t most[] = {
        [POOL__CONNECT_TRANSIENT] = 800,   [POOL__CONNECT_CAPACITY] = 1000,
        [POOL__CONNECT_BLOCKED] = 60000,   [POOL__CONNECT_PASSWORD] = 10000,
        [POOL__CONNECT_PERMANENT] = 10000, [POOL__CONNECT_TLS] = 10000,
    };
    if (class_ == POOL__CONNECT_BLOCKED)
        return most[class_]; /* each further try would prolong the block */
    unsigned doublings = smaller(failures - 1, 16);
    uint64_t bound = UINT64_C(50) << doublings;
    if (bound > most[class_])
        bound = most[class_];
    return (uint32_t)((bound * random) >> 32) + 1;
}

uint32_t pool__policy_lifetime_ms(uint32_t max_lifetime_ms, uint32_t random)
{
    if (max_lifetime_ms == POOL_NEVER)
        return POOL_NEVER;
    uint64_t jitter = ((uint64_t)(max_lifetime_ms / 4) * random) >> 32;
    return max_lifetime_ms - (uint32_t)jitter;
}

unsigned pool__policy_ramp(unsigned parallel, bool success)
{
    if (!success)
        return 1;
    return smaller(parallel * 2, POOL__MANY_CONNECTS);
}

uint32_t pool__policy_probe_ms(unsigned refusals)
{
    return UINT32_C(1000) << smaller(refusals - 1, 4);
}

/* A burst is what a pool of the default size is. Two hundred a second after that give those
 * that are open some time to show that they are enough. After an outage many wait, and
 * all pools of many processes come back: then there is more time to show it, 50 ms. */
#define QUICK_NS (5 * UINT64_C(1000000))
#define SLOW_NS (50 * UINT64_C(1000000))
#define CALM_NS UINT64_C(1000000000)

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

struct pool__pace pool__policy_new_pace(unsigned limit)
{
    uint64_t most = UINT64_C(1000000000) / limit;
    struct pool__pace pace = {.quick_ns = sooner(QUICK_NS, most), .slow_ns = sooner(SLOW_NS, most)};
    return pace;
}

static bool is_calm(const struct pool__pace *pace, uint64_t now)
{
    return now >= pace->calm_ns;
}

static uint64_t interval_ns(const struct pool__pace *pace, uint64_t now)
{
    return is_calm(pace, now) ? pace->quick_ns : pace->slow_ns;
}

/* As time that may be used up. */
static uint64_t burst_ns(const struct pool__pace *pace, uint64_t now)
{
    return interval_ns(pace, now) * (is_calm(pace, now) ? POOL__BURST : 1);
}

unsigned pool__policy_pace(const struct pool__pace *pace, uint64_t now)
{
    uint64_t room = burst_ns(pace, now);
    uint64_t ahead = later(pace->used_ns, now) - now;
    return ahead < room ? (unsigned)((room - ahead) / interval_ns(pace, now)) : 0;
}

uint64_t pool__policy_next_pace_ns(const struct pool__pace *pace, uint64_t now)
{
    uint64_t room = burst_ns(pace, now) - interval_ns(pace, now);
    return later(pace->used_ns, now + room) - room;
}

void pool__policy_pace_opens(struct pool__pace *pace, uint64_t now, unsigned count)
{
    pace->used_ns = later(pace->used_ns, now) + count * interval_ns(pace, now);
}

void pool__policy_pace_return(struct pool__pace *pace, uint64_t now)
{
    if (is_calm(pace, now))
        pace->used_ns = now;
    pace->calm_ns = now + CALM_NS;
}

/* A loss takes one from the burst; when it has taken them all, that was many at once. */
void pool__policy_pace_loss(struct pool__pace *pace, uint64_t now)
{
    if (pool__policy_pace(pace, now) <= 1)
        pool__policy_pace_return(pace, now);
    else
        pool__policy_pace_opens(pace, now, 1);
}

enum pool__idle_action pool__policy_idle(const struct pool__idleness *idleness)
{
    if (idleness->too_old)
        return POOL__IDLE_RETIRE;
    if (idleness->idle_ns >= idleness->idle_timeout_ns && idleness->idle_count > idleness->min_idle)
        return POOL__IDLE_SHRINK;
    if (idleness->silent_ns >= idleness->keepalive_ns)
        return POOL__IDLE_PING;
    return POOL__IDLE_STAY;
}

uint64_t pool__policy_statement_budget(uint64_t max_prepared_stmt_count)
{
    return max_prepared_stmt_count / 2 + 1;
}
