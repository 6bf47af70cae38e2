/*
 * Decisions, and nothing else: pure functions of what they are given. No I/O, no
 * lock, no clock; randomness comes in as an argument. Tested as tables.
 */
#ifndef POOL_CORE_POLICY_H
#define POOL_CORE_POLICY_H

#include "core/classify.h"
#include "mypool.h"

/* What becomes of a connection that is given back. */
enum pool__fate { POOL__FATE_KEEP, POOL__FATE_RESET, POOL__FATE_CLOSE };

enum pool__fate pool__policy_returned(enum pool_reset_policy policy, bool broken, bool dirty,
                                      bool in_transaction);

/* How many connections to open now. */
struct pool__demand {
    unsigned limit;   /* connection_limit, or less while the server refuses more */
    unsigned counted; /* slots that are not empty */
    unsigned idle;
    unsigned opening;
    unsigned min_idle;
    unsigned waiting;
    unsigned parallel; /* connects at a time; grows after a failure */
};
unsigned pool__policy_opens(const struct pool__demand *demand);

/* The pause before the next connect, in ms, after `failures` (>= 1) in a row;
 * `random` is uniform over uint32_t. */
uint32_t pool__policy_backoff_ms(enum pool__connect_class class_, unsigned failures,
                                 uint32_t random);

/* Lifetime with jitter: up to 25 % less. POOL_NEVER stays. */
uint32_t pool__policy_lifetime_ms(uint32_t max_lifetime_ms, uint32_t random);

/* Connects at a time: one after a failure, then 2, 4, ... after each success. */
#define POOL__MANY_CONNECTS 64
unsigned pool__policy_ramp(unsigned parallel, bool success);

/* How long to wait after so many refusals (>= 1) in a row before a server that is full is
 * asked for one connection more than there are. */
uint32_t pool__policy_probe_ms(unsigned refusals);

/* Connects are spread: so many may begin at once, and then one each few milliseconds. After an
 * outage, or when many connections are lost at about the same time, it is one from the start,
 * and the next ones come more slowly, until that is a second ago. Either way a pool can be full
 * within a second. */
#define POOL__BURST 10
struct pool__pace {
    uint64_t quick_ns; /* between two; constant */
    uint64_t slow_ns;  /* between two after an outage; constant */
    uint64_t used_ns;  /* the time that the connects which have begun have used up */
    uint64_t calm_ns;  /* when a burst is allowed again */
};
struct pool__pace pool__policy_new_pace(unsigned limit);
unsigned pool__policy_pace(const struct pool__pace *pace, uint64_t now);
/* When the next may begin, if none may now. */
uint64_t pool__policy_next_pace_ns(const struct pool__pace *pace, uint64_t now);
/* So many more have begun. */
void pool__policy_pace_opens(struct pool__pace *pace, uint64_t now, unsigned count);
/* The server has closed a connection. */
void pool__policy_pace_loss(struct pool__pace *pace, uint64_t now);
/* It lets the pool in again. */
void pool__policy_pace_return(struct pool__pace *pace, uint64_t now);

/* What to do with a connection that nobody uses. */
enum pool__idle_action { POOL__IDLE_STAY, POOL__IDLE_RETIRE, POOL__IDLE_SHRINK, POOL__IDLE_PING };
struct pool__idleness {
    uint64_t idle_ns;   /* since the last use */
    uint64_t silent_ns; /* since the last use or ping */
    bool too_old;
    unsigned idle_count; /* idle connections, this one included */
    unsigned min_idle;
    uint64_t idle_timeout_ns;
    uint64_t keepalive_ns;
};
enum pool__idle_action pool__policy_idle(const struct pool__idleness *idleness);

/* The pool's share of the server's prepared statements: half, so that others can
 * prepare too. */
uint64_t pool__policy_statement_budget(uint64_t max_prepared_stmt_count);

#endif
