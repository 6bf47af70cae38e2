/*
 * Calls with callbacks that have a handle, to be cancelled or resumed; and a look at what the
 * server is doing. Include cmocka.h first.
 */
#ifndef TESTS_HANDLED_H
#define TESTS_HANDLED_H

#include <signal.h>

#include "calls.h"
#include "engine/pool.h"
#include "server.h"

#define SOON 5000 /* ms; later than this something was waited for */
#define FOR_LONG "SELECT SLEEP(600)"

struct handled {
    struct seen seen;
    struct pool_call call;
};

/* This must be accepted. */
void start_request(struct pool_request request, struct handled *handled);

void start_handled(const char *sql, struct handled *handled);
void cancel(struct pool_call call);
void assert_stale(struct pool_call call);

/* True as a condition, like is_seen: so many sessions of pools do something like this. */
bool server_runs(const char *like, long count);

void make_pool_of(unsigned limit, bool manual);

/* Of a new pool of one connection: the statement runs on the server. */
void start_for_long(bool manual, struct handled *handled);

/* Ends the pool at once, and how long that took. */
uint64_t end_at_once(void);

int set_up_handled(void **state);
int tear_down_handled(void **state);

#define HANDLED_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_handled, tear_down_handled)

#endif
