/*
 * Borrow and return.
 *
 * A borrow is one compare-and-swap on the word of a slot, tried first on the slot
 * this thread had last (its cache lines and prepared statements are warm), then on
 * those whose bit is set in the idle map, lowest first, so that a quiet pool uses
 * few connections and the others age out. A return is one compare-and-swap, and a
 * look at the number of waiters. Nothing that several threads write is touched on
 * the way: the idle map is written only when its hint was wrong.
 *
 * Why no wake-up is lost. A returner stores IDLE and then reads `waiting`; a waiter
 * adds itself to `waiting` and then looks at the slots once more. Both use
 * sequentially consistent order, so at least one sees the other. The idle map obeys
 * the same rule: a returner stores IDLE, then reads the bit and sets it if it is
 * clear; whoever clears a bit then reads the slot word, and if that is IDLE takes
 * the slot itself.
 *
 * Fairness. A connection that has run a statement is handed over: to the oldest waiter
 * directly if that has waited for fair_after_ns, else by way of IDLE, where a thread
 * that is running anyway may overtake. A borrow without a statement is so short that
 * handing over each one would cost more than it gives: the returner publishes the
 * slot and wakes one waiter (`nudged`), which looks for a slot itself; once that has
 * waited for fair_after_ns in vain it is owed the next return (`owed`).
 *
 * The lock guards the queue and the outcome of waiters, nothing else; grants happen
 * under it, wake-ups after it. Any thread may call any function here.
 */
#include "core/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Thread_local struct pool__core_hint pool__hints[POOL__HINTS];

bool pool__core_init(struct pool__core *core, unsigned limit, uint32_t queue_limit,
                     uint64_t fair_after_ns)
{
    static _Atomic uint64_t serials;
    memset(core, 0, sizeof *core);
    core->limit = limit;
    core->queue_limit = queue_limit;
    core->fair_after_ns = fair_after_ns;
    core->serial = atomic_fetch_add(&serials, 1) + 1;
    atomic_init(&core->absent, limit);
    core->idle_words = (limit + 63) / 64;
    pool__mutex_init(&core->lock);
    pool__list_init(&core->queue);
    core->slots = aligned_alloc(_Alignof(struct pool__slot), limit * sizeof *core->slots);
    core->idle = calloc(core->idle_words, sizeof *core->idle);
    if (!core->slots || !core->idle) {
        pool__core_fini(core);
        return false;
    }
    memset(core->slots, 0, limit * sizeof *core->slots);
    return true;
}

void pool__core_fini(struct pool__core *core)
{
    free(core->slots);
    free(core->idle);
    core->slots = NULL;
    core->idle = NULL;
    pool__mutex_fini(&core->lock);
}

/* Steps between threads: each is a point where the explorer may switch. */

static uint64_t load_word(struct pool__slot *slot)
{
    pool__explore_point();
    return atomic_load(&slot->word);
}

static uint64_t with_state(uint64_t word, enum pool__state state)
{
    return (word & ~POOL__STATE_MASK) | (uint64_t)state;
}

static uint64_t later_by(uint64_t now, uint64_t ns)
{
    return ns > POOL__FOREVER - now ? POOL__FOREVER : now + ns;
}

/* Which of the two counts a slot in this state is in. */
static _Atomic uint32_t *count_of(struct pool__core *core, enum pool__state state)
{
    switch (state) {
    case POOL__EMPTY:
    case POOL__OPENING:
    case POOL__CLOSING: return &core->absent;
    case POOL__CHORE: return &core->chores;
    default: return NULL;
    }
}

/* Moves the slot, and counts it where it arrives before it leaves: whoever reads the counts and
 * then looks for an idle slot misses none that becomes idle in between. */
static bool move_counted(struct pool__core *core, struct pool__slot *slot, uint64_t *word,
                         uint64_t next)
{
    _Atomic uint32_t *before = count_of(core, pool__state_of(*word));
    _Atomic uint32_t *after = count_of(core, pool__state_of(next));
    bool counts = before != after;
    if (counts && after)
        atomic_fetch_add(after, 1);
    bool moved = pool__move(slot, word, next);
    _Atomic uint32_t *left = moved ? before : after;
    if (counts && left) {
        pool__explore_point();
        atomic_fetch_sub(left, 1);
    }
    return moved;
}

static _Atomic uint64_t *map_of(struct pool__core *core, unsigned index)
{
    return &core->idle[index / 64];
}

static uint64_t bit_of(unsigned index)
{
    return UINT64_C(1) << (index % 64);
}

static void set_bit(struct pool__core *core, unsigned index)
{
    pool__explore_point();
    if (!(atomic_load(map_of(core, index)) & bit_of(index))) {
        pool__explore_point();
        atomic_fetch_or(map_of(core, index), bit_of(index));
    }
}

/* The bit was wrong. Clearing it may race with a return that has just seen it set:
 * hence the second look at the slot. */
static bool clear_bit_or_take(struct pool__core *core, unsigned index, uint64_t flags,
                              uint32_t *ret_generation)
{
    pool__explore_point();
    atomic_fetch_and(map_of(core, index), ~bit_of(index));
    if (pool__state_of(load_word(&core->slots[index])) != POOL__IDLE)
        return false;
    set_bit(core, index);
    return pool__core_take(core, index, flags, ret_generation);
}

static bool take_any(struct pool__core *core, uint64_t flags, unsigned *ret_slot,
                     uint32_t *ret_generation)
{
    for (unsigned i = 0; i < core->idle_words; i++) {
        pool__explore_point();
        uint64_t bits = atomic_load(&core->idle[i]);
        for (; bits; bits &= bits - 1) {
            unsigned index = i * 64 + (unsigned)__builtin_ctzll(bits);
            if (pool__core_take(core, index, flags, ret_generation) ||
                clear_bit_or_take(core, index, flags, ret_generation)) {
                *ret_slot = index;
                return true;
            }
        }
    }
    return false;
}

bool pool__core_try_borrow(struct pool__core *core, uint64_t flags, unsigned *ret_slot,
                           uint32_t *ret_generation)
{
    if (pool__core_take_hinted(core, flags, ret_slot, ret_generation))
        return true;
    if (!take_any(core, flags, ret_slot, ret_generation))
        return false;
    *pool__core_hint_of(core) = (struct pool__core_hint){core->serial, *ret_slot};
    return true;
}

static struct pool__waiter *oldest_locked(struct pool__core *core)
{
    struct pool__link *link = pool__list_first(&core->queue);
    return link ? POOL__ENTRY(link, struct pool__waiter, link) : NULL;
}

/* Takes the waiter off the queue and decides its fate. The caller wakes it after
 * unlocking: from the store on the waiter may be gone. True if the waiter had been
 * nudged: the slot that it should have looked for may still be idle, and unless the
 * caller has just looked itself it must call serve(). */
static bool settle_locked(struct pool__core *core, struct pool__waiter *waiter,
                          enum pool__outcome outcome)
{
    bool oldest = core->queue.next == &waiter->link;
    pool__list_remove(&waiter->link);
    pool__explore_point();
    atomic_fetch_sub(&core->waiting, 1);
    if (oldest) /* the debt, if any, was to this one */
        atomic_store(&core->owed, 0);
    bool nudged = atomic_load(&waiter->outcome) == POOL__NUDGED;
    if (nudged)
        atomic_store(&core->nudged, 0);
    pool__explore_point();
    atomic_store(&waiter->outcome, (uint32_t)outcome);
    return nudged;
}

void pool__core_wake(struct pool__core *core, struct pool__wakes *wakes)
{
    if (wakes->bits)
        pool__unpark_all(&core->benches[wakes->bench], wakes->bits);
    wakes->bits = 0;
}

static uint32_t bench_of(uint32_t place)
{
    return place / POOL__BENCH_PLACES % POOL__BENCHES;
}

static uint32_t place_bit(uint32_t place)
{
    return UINT32_C(1) << place % POOL__BENCH_PLACES;
}

static void wake_from(struct pool__core *core, uint32_t place, struct pool__wakes *wakes)
{
    if (bench_of(place) != wakes->bench)
        pool__core_wake(core, wakes);
    wakes->bench = bench_of(place);
    wakes->bits |= place_bit(place);
}

/* Those whom a caller of the functions below has to wake once it holds no lock. */
struct wakes {
    struct {
        struct pool__waiter *waiter;
        void (*wake)(struct pool__waiter *waiter);
        uint32_t place;
    } list[8];
    unsigned count;
};

static bool wakes_full(const struct wakes *wakes)
{
    return wakes->count == sizeof wakes->list / sizeof wakes->list[0];
}

static void add_wake(struct wakes *wakes, struct pool__waiter *waiter)
{
    wakes->list[wakes->count].waiter = waiter;
    wakes->list[wakes->count].wake = waiter->wake;
    wakes->list[wakes->count++].place = waiter->place;
}

static void wake_all(struct pool__core *core, struct wakes *wakes)
{
    struct pool__wakes threads = {0};
    for (unsigned i = 0; i < wakes->count; i++)
        if (wakes->list[i].wake)
            wakes->list[i].wake(wakes->list[i].waiter);
        else
            wake_from(core, wakes->list[i].place, &threads);
    pool__core_wake(core, &threads);
    wakes->count = 0;
}

static bool grant_locked(struct pool__core *core, struct pool__waiter *waiter, unsigned index,
                         uint32_t generation, struct wakes *wakes)
{
    waiter->slot = index;
    waiter->generation = generation;
    add_wake(wakes, waiter);
    return settle_locked(core, waiter, POOL__GRANTED);
}

/* The oldest waiter whom a slot can still serve. Those before it whose deadline has
 * passed are settled here: they may never look themselves (a callback), and whoever has
 * given up gets no slot. NULL also if no more can be woken in this round. */
static struct pool__waiter *oldest_in_time_locked(struct pool__core *core, struct wakes *wakes,
                                                  bool *nudged)
{
    struct pool__waiter *waiter = NULL;
    while (!wakes_full(wakes) && (waiter = oldest_locked(core)) &&
           pool__now_ns() >= waiter->deadline_ns) {
        add_wake(wakes, waiter);
        *nudged |= settle_locked(core, waiter, POOL__TIMED_OUT);
        core->timeouts++;
    }
    return wakes_full(wakes) ? NULL : waiter;
}

/* Gives idle slots to waiters, oldest first, as long as there are both. */
static void serve(struct pool__core *core)
{
    struct wakes wakes = {.count = 0};
    bool nudged = false; /* of no interest: this looks for idle slots itself */
    bool more = true;
    while (more) {
        pool__lock(&core->lock);
        struct pool__waiter *waiter;
        unsigned index;
        uint32_t generation;
        while ((waiter = oldest_in_time_locked(core, &wakes, &nudged)) &&
               take_any(core, waiter->flags, &index, &generation))
            grant_locked(core, waiter, index, generation, &wakes);
        more = wakes_full(&wakes);
        pool__unlock(&core->lock);
        wake_all(core, &wakes);
    }
}

/* Hands the slot to the oldest waiter, if it has waited long enough to have a
 * right to it. `word` is the slot's present word. */
static bool hand_over(struct pool__core *core, unsigned index, uint64_t word)
{
    struct wakes wakes = {.count = 0};
    struct pool__slot *slot = &core->slots[index];
    bool given = false;
    bool nudged = false;
    pool__lock(&core->lock);
    struct pool__waiter *waiter = oldest_in_time_locked(core, &wakes, &nudged);
    if (waiter && (core->fair_after_ns == 0 || atomic_load(&core->owed) ||
                   pool__now_ns() - waiter->enqueued_ns >= core->fair_after_ns)) {
        uint64_t next = pool__word_borrowed(word, waiter->flags);
        given = move_counted(core, slot, &word, next);
        if (given) {
            pool__count_use(slot);
            nudged |= grant_locked(core, waiter, index, pool__generation_of(next), &wakes);
        }
    }
    pool__unlock(&core->lock);
    wake_all(core, &wakes);
    if (nudged)
        serve(core);
    return given;
}

/* Wakes the oldest waiter to look for an idle slot itself, unless one is looking
 * already. The returner's thread is running and may well take the slot again before
 * the waiter is on a processor; that is the point. */
static void nudge(struct pool__core *core)
{
    pool__explore_point();
    if (atomic_load(&core->nudged))
        return;
    pool__explore_point();
    if (atomic_exchange(&core->nudged, 1))
        return;
    pool__lock(&core->lock);
    struct pool__waiter *waiter = oldest_locked(core);
    void (*wake)(struct pool__waiter *) = waiter ? waiter->wake : NULL;
    if (waiter && !wake) {
        /* Stored under the lock, so the waiter cannot be gone before it is woken. */
        atomic_store(&waiter->outcome, POOL__NUDGED);
        pool__unpark_all(&core->benches[bench_of(waiter->place)], place_bit(waiter->place));
    } else {
        atomic_store(&core->nudged, 0);
    }
    pool__unlock(&core->lock);
    if (wake)
        serve(core); /* a callback cannot look for itself */
}

void pool__core_announce(struct pool__core *core, unsigned index)
{
    set_bit(core, index);
    pool__explore_point();
    if (!atomic_load(&core->waiting))
        return;
    if (core->fair_after_ns)
        nudge(core);
    else
        serve(core);
}

/* The slot has just become idle: let scanners and waiters know. It has left the count when
 * scanners can find it. */
static void announce(struct pool__core *core, unsigned index, _Atomic uint32_t *left)
{
    set_bit(core, index);
    if (left)
        atomic_fetch_sub(left, 1);
    pool__explore_point();
    if (atomic_load(&core->waiting))
        serve(core);
}

unsigned pool__core_take_followers(struct pool__core *core, unsigned most, pool__may_follow_fn *may,
                                   void *arg, struct pool__waiter **ret_waiters)
{
    unsigned count = 0;
    unsigned looks = 2 * most;
    pool__lock(&core->lock);
    uint64_t now = pool__now_ns();
    struct pool__link *next = core->queue.next;
    while (next != &core->queue && count < most && looks-- > 0) {
        struct pool__waiter *waiter = POOL__ENTRY(next, struct pool__waiter, link);
        next = next->next;
        if (now >= waiter->deadline_ns)
            continue; /* it gets nothing any more */
        if (!waiter->may_follow || atomic_load(&waiter->outcome) != POOL__WAITING ||
            !may(waiter, arg))
            break;
        waiter->taken_ns = now;
        waiter->abandon_ns =
            pool__earlier(waiter->follow_deadline_ns, later_by(now, waiter->follow_ns));
        settle_locked(core, waiter, POOL__TAKEN);
        ret_waiters[count++] = waiter;
    }
    pool__unlock(&core->lock);
    return count;
}

void pool__core_follower_sent(struct pool__waiter *waiter)
{
    pool__explore_point();
    atomic_store(&waiter->outcome, POOL__SENT);
}

bool pool__core_follower_hold(struct pool__waiter *waiter)
{
    uint32_t sent = POOL__SENT;
    pool__explore_point();
    return atomic_compare_exchange_strong(&waiter->outcome, &sent, POOL__TAKEN);
}

bool pool__core_follower_done(struct pool__core *core, struct pool__waiter *waiter,
                              struct pool__wakes *wakes)
{
    void (*wake)(struct pool__waiter *) = waiter->wake;
    uint32_t place = waiter->place; /* the waiter may be gone as soon as it is done */
    uint32_t outcome = POOL__SENT;
    pool__explore_point();
    while (!atomic_compare_exchange_strong(&waiter->outcome, &outcome, POOL__DONE))
        if (outcome == POOL__ABANDONED)
            return false;
    if (wake)
        wake(waiter);
    else
        wake_from(core, place, wakes);
    return true;
}

bool pool__core_give(struct pool__core *core, unsigned index)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = load_word(slot);
    pool__explore_point();
    if (atomic_load(&core->waiting) && !(word & POOL__EVICT) && hand_over(core, index, word))
        return true;
    word = load_word(slot);
    for (;;) {
        /* The evict flag may come at any moment, so it is part of the swap. */
        _Atomic uint32_t *before = count_of(core, pool__state_of(word));
        uint64_t plain = word & ~POOL__FLAGS;
        if (word & POOL__EVICT) {
            if (move_counted(core, slot, &word, with_state(plain, POOL__CHORE)))
                return false;
        } else if (pool__move(slot, &word, with_state(plain, POOL__IDLE))) {
            announce(core, index, before);
            return true;
        }
    }
}

static void force(struct pool__core *core, unsigned index, enum pool__state state)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = load_word(slot);
    while (!move_counted(core, slot, &word, with_state(word & ~POOL__FLAGS, state)))
        ;
}

void pool__core_to_chore(struct pool__core *core, unsigned index)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = load_word(slot);
    /* Eviction still counts: the chore's end will look at it. */
    while (!move_counted(core, slot, &word,
                         with_state(word & (~POOL__FLAGS | POOL__EVICT), POOL__CHORE)))
        ;
}

void pool__core_to_closing(struct pool__core *core, unsigned index)
{
    force(core, index, POOL__CLOSING);
}

void pool__core_to_empty(struct pool__core *core, unsigned index)
{
    force(core, index, POOL__EMPTY);
}

bool pool__core_reserve_empty(struct pool__core *core, unsigned *ret_slot)
{
    for (unsigned i = 0; i < core->limit; i++) {
        uint64_t word = load_word(&core->slots[i]);
        if (pool__state_of(word) == POOL__EMPTY &&
            pool__move(&core->slots[i], &word, with_state(word, POOL__OPENING))) {
            *ret_slot = i;
            return true;
        }
    }
    return false;
}

bool pool__core_reserve_idle(struct pool__core *core, unsigned index)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = load_word(slot);
    return pool__state_of(word) == POOL__IDLE &&
           move_counted(core, slot, &word, with_state(word, POOL__CHORE));
}

bool pool__core_evict(struct pool__core *core, unsigned index)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = load_word(slot);
    for (;;) {
        enum pool__state state = pool__state_of(word);
        if (state == POOL__EMPTY || state == POOL__CLOSING)
            return false;
        bool idle = state == POOL__IDLE;
        uint64_t next = idle ? with_state(word, POOL__CHORE) : word | POOL__EVICT;
        if (move_counted(core, slot, &word, next))
            return idle;
    }
}

static enum pool__claim check_ticket(uint64_t word, uint32_t generation)
{
    if (pool__state_of(word) != POOL__BUSY || pool__generation_of(word) != generation)
        return POOL__CLAIM_STALE;
    return word & POOL__RUNNING ? POOL__CLAIM_RUNNING : POOL__CLAIMED;
}

enum pool__claim pool__core_claim(struct pool__core *core, unsigned index, uint32_t generation)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = load_word(slot);
    enum pool__claim claim;
    do
        claim = check_ticket(word, generation);
    while (claim == POOL__CLAIMED && !pool__move(slot, &word, word | POOL__RUNNING));
    return claim;
}

bool pool__core_unclaim(struct pool__core *core, unsigned index, bool unclean)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = load_word(slot);
    uint64_t flag = unclean ? POOL__UNCLEAN : 0;
    while (!(word & POOL__GIVEN_UP))
        if (pool__move(slot, &word, (word & ~(POOL__RUNNING | POOL__UNCLEAN)) | flag))
            return true;
    return false;
}

enum pool__claim pool__core_give_up(struct pool__core *core, unsigned index, uint32_t generation)
{
    struct pool__slot *slot = &core->slots[index];
    uint64_t word = load_word(slot);
    enum pool__claim claim;
    do
        claim = check_ticket(word, generation);
    while (
        claim != POOL__CLAIM_STALE &&
        !pool__move(slot, &word, word | (claim == POOL__CLAIMED ? POOL__RUNNING : POOL__GIVEN_UP)));
    return claim;
}

enum pool__claim pool__core_release(struct pool__core *core, unsigned index, uint32_t generation)
{
    if (pool__core_release_quickly(core, index, generation))
        return POOL__RELEASED;
    return pool__core_claim(core, index, generation);
}

/* At the end; or, if it has had its turn before, in front of those who have not, but not of
 * one who has been nudged and counts on being the oldest. */
static void join_locked(struct pool__core *core, struct pool__waiter *waiter)
{
    struct pool__link *next = waiter->again ? core->queue.next : &core->queue;
    for (; next != &core->queue; next = next->next) {
        struct pool__waiter *other = POOL__ENTRY(next, struct pool__waiter, link);
        if (!other->again && atomic_load(&other->outcome) != POOL__NUDGED)
            break;
    }
    waiter->place = core->places++;
    pool__list_append(next, &waiter->link); /* before it */
    pool__explore_point();
    atomic_fetch_add(&core->waiting, 1);
}

static void unjoin_locked(struct pool__core *core, struct pool__waiter *waiter)
{
    pool__list_remove(&waiter->link);
    atomic_fetch_sub(&core->waiting, 1);
}

/* Of those ahead each has a slot coming that the pool has at present, as far as there are any;
 * so has this one if there is another. */
static enum pool__outcome take_place_locked(struct pool__core *core, struct pool__waiter *waiter)
{
    unsigned index;
    uint32_t generation;
    /* Read before the slots: one that comes idle meanwhile is found there. */
    uint32_t ahead = atomic_load(&core->waiting);
    pool__explore_point();
    uint32_t coming = atomic_load(&core->absent) + atomic_load(&core->chores);
    join_locked(core, waiter);
    /* A slot that was returned before the returner could see us is ours, or
     * rather the oldest waiter's; we can only take it if that is us. */
    bool oldest = core->queue.next == &waiter->link;
    if (oldest && take_any(core, waiter->flags, &index, &generation)) {
        unjoin_locked(core, waiter);
        waiter->slot = index;
        waiter->generation = generation;
        return POOL__GRANTED;
    }
    waiter->behind = ahead >= coming;
    if (waiter->behind && ahead - coming >= core->queue_limit) {
        unjoin_locked(core, waiter);
        return POOL__QUEUE_FULL;
    }
    core->enqueued += waiter->behind;
    return POOL__WAITING;
}

enum pool__outcome pool__core_enqueue(struct pool__core *core, struct pool__waiter *waiter)
{
    atomic_init(&waiter->outcome, POOL__WAITING);
    pool__lock(&core->lock);
    bool refused = atomic_load(&core->shut) && !(waiter->wake && atomic_load(&core->drains));
    enum pool__outcome outcome = refused ? POOL__SHUT : take_place_locked(core, waiter);
    pool__unlock(&core->lock);
    return outcome;
}

/* A nudged waiter looks for a slot. If others were quicker, and it has waited long
 * enough, the next return is its own. */
static void look_for_slot(struct pool__core *core, struct pool__waiter *waiter)
{
    unsigned index;
    uint32_t generation;
    bool granted = false;
    pool__lock(&core->lock);
    if (atomic_load(&waiter->outcome) == POOL__NUDGED) {
        atomic_store(&waiter->outcome, POOL__WAITING);
        if (pool__now_ns() - waiter->enqueued_ns >= core->fair_after_ns)
            atomic_store(&core->owed, 1);
        /* From here on returners nudge again; what was returned before, we see. */
        pool__explore_point();
        atomic_store(&core->nudged, 0);
        if (oldest_locked(core) == waiter && take_any(core, waiter->flags, &index, &generation)) {
            waiter->slot = index;
            waiter->generation = generation;
            settle_locked(core, waiter, POOL__GRANTED);
            granted = true;
        }
    }
    pool__unlock(&core->lock);
    /* Those who returned while we were on our way here nudged nobody else. */
    if (granted)
        serve(core);
}

/* Not decided: in the queue, or taken along. */
static bool is_open(uint32_t outcome)
{
    return outcome == POOL__WAITING || outcome == POOL__NUDGED || outcome == POOL__TAKEN ||
           outcome == POOL__SENT;
}

/* Nobody wakes a waiter that is taken along: it has to look often enough to leave in time. */
static uint64_t next_look(const struct pool__waiter *waiter, uint32_t outcome, uint64_t now)
{
    if (outcome == POOL__TAKEN && now >= waiter->abandon_ns)
        return now + POOL__NS_PER_MS; /* it cannot leave yet, but that is short */
    if (outcome == POOL__TAKEN || outcome == POOL__SENT)
        return waiter->abandon_ns;
    uint64_t aboard_ns = waiter->may_follow ? later_by(now, waiter->follow_ns) : POOL__FOREVER;
    return pool__earlier(waiter->deadline_ns, aboard_ns);
}

/* True if it was this call that decided. */
static bool leave_queue(struct pool__core *core, struct pool__waiter *waiter, enum pool__outcome as)
{
    pool__lock(&core->lock);
    uint32_t outcome = atomic_load(&waiter->outcome);
    bool nudged = outcome == POOL__NUDGED;
    bool own = nudged || outcome == POOL__WAITING;
    if (own) {
        settle_locked(core, waiter, as);
        core->timeouts += as == POOL__TIMED_OUT;
    }
    pool__unlock(&core->lock);
    if (nudged)
        serve(core); /* the slot that it was nudged for is for the next one */
    return own;
}

static bool abandon(struct pool__waiter *waiter)
{
    uint32_t sent = POOL__SENT;
    pool__explore_point();
    return atomic_compare_exchange_strong(&waiter->outcome, &sent, POOL__ABANDONED);
}

bool pool__core_look(struct pool__core *core, struct pool__waiter *waiter, uint64_t now,
                     uint64_t *ret_next_ns)
{
    uint32_t outcome = atomic_load(&waiter->outcome);
    if ((outcome == POOL__WAITING || outcome == POOL__NUDGED) && now >= waiter->deadline_ns &&
        leave_queue(core, waiter, POOL__TIMED_OUT))
        return true;
    outcome = atomic_load(&waiter->outcome);
    if (outcome == POOL__SENT && now >= waiter->abandon_ns && abandon(waiter))
        return true;
    *ret_next_ns = next_look(waiter, outcome, now);
    return false;
}

enum pool__outcome pool__core_wait(struct pool__core *core, struct pool__waiter *waiter)
{
    _Atomic uint32_t *bench = &core->benches[bench_of(waiter->place)];
    for (;;) {
        uint64_t next_ns;
        uint32_t turn = atomic_load(bench); /* before the outcome: who stores that changes it */
        pool__explore_point();
        uint32_t outcome = atomic_load(&waiter->outcome);
        if (!is_open(outcome))
            return (enum pool__outcome)outcome;
        if (outcome == POOL__NUDGED)
            look_for_slot(core, waiter);
        else if (!pool__core_look(core, waiter, pool__now_ns(), &next_ns))
            pool__park_as(bench, turn, place_bit(waiter->place), next_ns);
    }
}

enum pool__outcome pool__core_abandon(struct pool__core *core, struct pool__waiter *waiter)
{
    leave_queue(core, waiter, POOL__TIMED_OUT);
    return (enum pool__outcome)atomic_load(&waiter->outcome);
}

bool pool__core_cancel(struct pool__core *core, struct pool__waiter *waiter)
{
    return leave_queue(core, waiter, POOL__CANCELLED) || abandon(waiter);
}

/* In the order of the queue times grow, but for those at its head who are there again. */
static struct pool__waiter *first_before_locked(struct pool__core *core, uint64_t before_ns)
{
    struct pool__link *link = core->queue.next;
    for (; link != &core->queue; link = link->next) {
        struct pool__waiter *waiter = POOL__ENTRY(link, struct pool__waiter, link);
        if (waiter->enqueued_ns <= before_ns)
            return waiter;
        if (!waiter->again)
            break;
    }
    return NULL;
}

void pool__core_fail_waiters(struct pool__core *core, enum pool__outcome outcome,
                             uint64_t enqueued_before_ns)
{
    struct wakes wakes = {.count = 0};
    bool more = true;
    bool nudged = false;
    while (more) {
        pool__lock(&core->lock);
        struct pool__waiter *waiter;
        while (!wakes_full(&wakes) && (waiter = first_before_locked(core, enqueued_before_ns))) {
            add_wake(&wakes, waiter);
            nudged |= settle_locked(core, waiter, outcome);
        }
        more = wakes_full(&wakes);
        pool__unlock(&core->lock);
        wake_all(core, &wakes);
    }
    if (nudged)
        serve(core);
}

void pool__core_shut(struct pool__core *core)
{
    pool__lock(&core->lock);
    atomic_store(&core->shut, true);
    pool__unlock(&core->lock);
    pool__core_fail_waiters(core, POOL__SHUT, POOL__FOREVER);
}

void pool__core_set_drains(struct pool__core *core, bool drains)
{
    pool__lock(&core->lock);
    atomic_store(&core->drains, drains);
    pool__unlock(&core->lock);
}

void pool__core_count(struct pool__core *core, unsigned ret_counts[POOL__STATES])
{
    memset(ret_counts, 0, POOL__STATES * sizeof *ret_counts);
    for (unsigned i = 0; i < core->limit; i++)
        ret_counts[pool__state_of(
            atomic_load_explicit(&core->slots[i].word, memory_order_relaxed))]++;
}

unsigned pool__core_open_count(struct pool__core *core)
{
    unsigned counts[POOL__STATES];
    pool__core_count(core, counts);
    return counts[POOL__IDLE] + counts[POOL__BUSY] + counts[POOL__CHORE];
}

uint64_t pool__core_oldest_ns(struct pool__core *core)
{
    uint64_t oldest = POOL__FOREVER;
    pool__lock(&core->lock);
    for (struct pool__link *link = core->queue.next; link != &core->queue; link = link->next) {
        const struct pool__waiter *waiter = POOL__ENTRY(link, struct pool__waiter, link);
        oldest = pool__earlier(oldest, waiter->enqueued_ns);
        if (!waiter->again)
            break;
    }
    pool__unlock(&core->lock);
    return oldest;
}
