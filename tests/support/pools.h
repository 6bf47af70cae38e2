/*
 * A pool on the private server, for tests that make their own. cmocka.h comes before this
 * header.
 */
#ifndef TESTS_POOLS_H
#define TESTS_POOLS_H

#include <mypool.h>
#include <stdlib.h>

/* Where the URL in the environment leads, with the options of `wish`; what that says of the
 * server and the user goes before the URL. */
struct pool *pool_of(const char *variable, struct pool_options wish);

struct pool_stats stats_of(struct pool *pool);

#endif
