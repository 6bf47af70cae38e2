/*
 * Who is there beside the test of a server in trouble: a load that only counts, a sampler of the
 * process list, calls on threads of their own, and a gate at which the keeper waits. The pool and
 * the administrator are those of the fixture; the tear-down puts the server right and holds what
 * was counted against the books of the pool.
 *
 * Assertions are made by the test's own thread. Include cmocka.h first.
 */
#ifndef TESTS_BESIDE_H
#define TESTS_BESIDE_H

#include <mypool.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fixture.h"
#include "server.h"

#define CODES (POOL_ERR_UNSUPPORTED + 1)
#define MOST 16 /* threads of a load */

/* Counts what pool_query answers, until told to stop. */
struct load {
    struct pool *pool;
    uint32_t timeout_ms;
    unsigned count;
    pthread_t ids[MOST];
    _Atomic bool stop;
    _Atomic uint64_t ok[MOST];
    _Atomic uint64_t errors[CODES];
    _Atomic uint64_t wrong;      /* answers to somebody else's question */
    _Atomic uint64_t unbalanced; /* snapshots of the pool that contradict themselves */
    _Atomic uint64_t longest;    /* call, in ms */
    char first[CODES][512];      /* messages; read after the threads have ended */
};

/* Reads the process list over and over. */
struct sampler {
    pthread_t id;
    bool started;
    _Atomic bool stop;
    _Atomic unsigned samples;
    _Atomic unsigned peak;
    char list[4096]; /* of the peak; read after the thread has ended */
};

/* One call on a thread of its own. */
struct call {
    pthread_t id;
    struct pool *pool;
    bool (*how)(struct call *call);
    struct pool_request request;
    struct pool_error err;
    bool ok;
    uint64_t took_ms;
    _Atomic bool done;
};

/* Where the keeper waits in a hook, so that it sees nothing. */
struct gate {
    _Atomic bool armed;
    _Atomic bool entered;
    _Atomic bool open;
};

/* Who is there beside the test. */
struct beside {
    struct load load;
    struct sampler sampler;
    struct call calls[MOST];
    unsigned call_count;
    struct gate gate;
};
extern struct beside beside;

/* The administrator */

bool kill_on_server(unsigned long id);

#define RUNNING_SLEEPS                                                                             \
    "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app' AND info LIKE "        \
    "'%SLEEP(30)%'"

/* The server's process */

void reconnect_admin(void);
void restart_server(void);

/* Pools */

void assert_works(void);

/* Opens `count` connections at once; their ids on the server. */
void open_at_once(unsigned count, unsigned long *ret_ids);

/* Load */

void raise_to(_Atomic uint64_t *most, uint64_t value);
void start_load(unsigned count, uint32_t timeout_ms);
void stop_load(void);
uint64_t successes(void);
uint64_t failures(void);

/* Fails the test if the load has met an error that is not among `allowed` (bits). */
void assert_errors_only(unsigned allowed);

#define BIT(code) (1u << (code))

/* Since the counts were zeroed each thread of the load has had a success. */
bool everybody_served(void);

void zero_successes(void);

/* The sampler */

void start_sampler(void);
void assert_peak(unsigned most);

/* Calls on threads */

bool query_by_call(struct call *call);
struct call *start_call_by(bool (*how)(struct call *call), const char *sql, uint32_t timeout_ms);
struct call *start_call(const char *sql, uint32_t timeout_ms);
struct call run_here(const char *sql, uint32_t timeout_ms);
void join_calls(void);
void assert_timely(const char *what, uint64_t took_ms, uint64_t asked_ms);

/* Before and after each test */

int set_up_beside(void **state);
int tear_down_beside(void **state);

#endif
