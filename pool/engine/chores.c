/*
 * What the workers do with slots: reset, ping, close and kill; to open is in open.c. A chore owns
 * its slot until it gives it back, closes it or empties it; each step has a deadline. Chores
 * decide nothing: the keeper and the callers order, policy.c says what.
 *
 * Closing. A slot counts against the limit until the server's side is gone. The
 * socket is kept (a duplicate, since libmariadb closes its own) until the server
 * closes its end, which is watched (watch.c). If a statement may still be running, it
 * is killed first (control.c): as long as the kept socket is open on the server's side the
 * thread id cannot belong to anybody else.
 */
#include "engine/chores.h"

#include "base/sync.h"
#include "conn/command.h"
#include "conn/conn.h"
#include "conn/kill.h"
#include "conn/session.h"
#include "core/handover.h"
#include "core/slots.h"
#include "engine/control.h"
#include "engine/hooks.h"
#include "engine/pool.h"
#include "engine/tick.h"
#include "engine/watch.h"

static struct pool__conn *conn_of(struct pool *pool, unsigned slot)
{
    return pool->core.slots[slot].conn;
}

/* Orders */

unsigned pool__chores_slot(const struct pool *pool, const struct pool__chore *chore)
{
    return (unsigned)(POOL__ENTRY(chore, struct pool__slot_record, chore) - pool->records);
}

void pool__chores_order(struct pool *pool, unsigned slot, pool__chore_fn *run, bool slow)
{
    struct pool__chore *chore = &pool->records[slot].chore;
    chore->run = run;
    chore->slow = slow;
    pool__workers_order(pool, chore);
}

/* Closing */

/* The session's thread is gone, or the keeper awaits that the server closes its side. */
static void watch_unless_gone(struct pool *pool, unsigned slot, int fd, enum pool__kill kill)
{
    /* Its socket may yet say nothing: replies that nobody reads hold up the FIN. */
    if (kill == POOL__KILL_GONE) {
        pool__close_fd(fd);
        fd = -1;
    }
    pool__watch_closing(pool, slot, fd, kill);
}

/* From here on the connection counts as closing, however long the goodbye and a kill
 * take: nobody is to wait for it as for one that is open. The end waits for `closings`. */
static void begin_closing(struct pool *pool, unsigned slot)
{
    atomic_store(&pool->records[slot].opened_ns, POOL__FOREVER);
    atomic_store(&pool->records[slot].bulky, false);
    atomic_fetch_add(&pool->closings, 1);
    pool__slots_to_closing(&pool->core, slot);
}

/* What is left of a connection that was closed. */
struct closing {
    unsigned long thread_id;
    int fd;         /* on which the server's own close can be awaited; -1: none */
    bool may_run;   /* a statement may still run in its session */
    bool by_server; /* which had closed it before */
};

static struct closing close_conn(struct pool__conn *conn)
{
    bool known = conn->thread_id != 0;
    struct closing closing = {.thread_id = conn->thread_id, .may_run = known && conn->may_run};
    closing.by_server = known && !closing.may_run && !pool__conn_is_open(conn);
    closing.fd = pool__conn_close(conn);
    return closing;
}

/* Kills what still runs. Without a descriptor for the duplicate there is no proof whose number
 * that is, but a server does not use one again so soon. */
static enum pool__kill end_session(struct pool *pool, const struct closing *closing)
{
    if (closing->by_server)
        pool__control_wait_until_gone(pool, closing->thread_id);
    if (!closing->may_run)
        return POOL__KILL_GONE;
    enum pool__kill kill = pool__control_kill_until_gone(pool, closing->thread_id);
    if (kill != POOL__KILL_FAILED)
        pool__count(&pool->counters.kills);
    return kill;
}

/* Leaves the slot to the keeper until the server has closed its side. */
static void say_goodbye(struct pool *pool, unsigned slot, struct pool__conn *conn)
{
    struct pool__slot_record *record = &pool->records[slot];
    struct closing closing = close_conn(conn);
    record->kill_fd = closing.fd; /* where a forked child finds it */
    record->closing_since_ns = pool__now_ns();
    record->closing_thread_id = closing.thread_id;
    enum pool__kill kill = end_session(pool, &closing);
    record->kill_fd = -1;
    if (closing.may_run)
        watch_unless_gone(pool, slot, closing.fd, kill);
    else
        pool__watch_closing(pool, slot, closing.fd, kill);
    atomic_fetch_sub(&pool->closings, 1);
}

void pool__chores_part(struct pool *pool, unsigned slot, struct pool__conn *conn)
{
    begin_closing(pool, slot);
    say_goodbye(pool, slot, conn);
}

/* The closing has begun. */
static void do_close(struct pool *pool, unsigned slot, enum pool_close_reason reason)
{
    struct pool__conn *conn = conn_of(pool, slot);
    pool->core.slots[slot].conn = NULL;
    pool__count(&pool->counters.closed);
    pool__count(&pool->counters.closed_by_reason[reason]);
    pool__hooks_tell_close(pool, reason, conn->thread_id);
    say_goodbye(pool, slot, conn);
}

void pool__chores_close(struct pool *pool, unsigned slot, enum pool_close_reason reason)
{
    begin_closing(pool, slot);
    do_close(pool, slot, reason);
}

static void do_kill(struct pool *pool, unsigned slot)
{
    struct pool__slot_record *record = &pool->records[slot];
    int fd = record->kill_fd;
    bool first = record->kill == POOL__KILL_FAILED; /* that reaches the server */
    enum pool__kill kill = pool__control_kill_until_gone(pool, record->closing_thread_id);
    if (first && kill != POOL__KILL_FAILED)
        pool__count(&pool->counters.kills);
    record->kill_fd = -1;
    watch_unless_gone(pool, slot, fd, kill);
}

static void run_close(struct pool *pool, struct pool__chore *chore)
{
    unsigned slot = pool__chores_slot(pool, chore);
    do_close(pool, slot, pool->records[slot].close_reason);
}

static void run_kill(struct pool *pool, struct pool__chore *chore)
{
    do_kill(pool, pool__chores_slot(pool, chore));
}

void pool__chores_order_close(struct pool *pool, unsigned slot, enum pool_close_reason reason)
{
    begin_closing(pool, slot);
    pool__watch_poke(pool); /* there may be nothing left that could be waited for */
    pool->records[slot].close_reason = reason;
    pool__chores_order(pool, slot, run_close, false);
}

void pool__chores_order_kill(struct pool *pool, unsigned slot)
{
    pool__chores_order(pool, slot, run_kill, false);
}

void pool__chores_give_or_close(struct pool *pool, unsigned slot)
{
    if (!pool__handover_give(&pool->core, slot)) {
        uint32_t reason = atomic_load(&pool->records[slot].evict_reason);
        pool__chores_order_close(pool, slot, (enum pool_close_reason)reason);
    }
    pool__watch_poke(pool);
}

/* Reset and ping */

/* The server's own idle limit comes first. A reset may change it. */
void pool__chores_set_keepalive(struct pool *pool, unsigned slot, const struct pool__conn *conn)
{
    uint64_t keepalive = pool__after_ms(0, pool->options.v.keepalive_ms);
    uint64_t limit = (uint64_t)conn->wait_timeout_s * UINT64_C(500000000);
    keepalive = limit && limit < keepalive ? limit : keepalive;
    atomic_store(&pool->records[slot].keepalive_ns, keepalive);
    pool__tick_limit(pool, keepalive);
}

static void do_reset(struct pool *pool, unsigned slot)
{
    struct pool__conn *conn = conn_of(pool, slot);
    pool__count(&pool->counters.resets);
    if (!pool__session_reset(conn, pool__step_deadline_ns(pool), NULL)) {
        pool__chores_close(pool, slot, POOL_CLOSE_RESET);
        return;
    }
    pool__chores_set_keepalive(pool, slot, conn);
    pool__chores_give_or_close(pool, slot);
}

static void do_ping(struct pool *pool, unsigned slot)
{
    struct pool__conn *conn = conn_of(pool, slot);
    pool__count(&pool->counters.pings);
    if (pool__conn_is_quiet(conn) && pool__command_ping(conn, pool__step_deadline_ns(pool), NULL))
        pool__chores_give_or_close(pool, slot);
    else
        pool__chores_close(pool, slot, POOL_CLOSE_SERVER);
}

static void run_reset(struct pool *pool, struct pool__chore *chore)
{
    do_reset(pool, pool__chores_slot(pool, chore));
}

static void run_ping(struct pool *pool, struct pool__chore *chore)
{
    do_ping(pool, pool__chores_slot(pool, chore));
}

void pool__chores_order_reset(struct pool *pool, unsigned slot)
{
    pool__chores_order(pool, slot, run_reset, true);
}

void pool__chores_order_ping(struct pool *pool, unsigned slot)
{
    pool__chores_order(pool, slot, run_ping, false);
}
