/*
 * A pool whose connections are all open, for the modes `pool` and `cycle`.
 */
#ifndef POOLBENCH_WARM_H
#define POOLBENCH_WARM_H

#include "bench.h"

/* Stores a struct pool in *ret_pool; in the form of mode->open and mode->close. */
bool warm_open(const struct config *config, void **ret_pool, struct problem *problem);
/* Of the default query: is this the row with the key? */
bool warm_check_row(struct pool_result *rows, int64_t key, struct problem *problem);
void warm_close(void *pool);

/* Fills in a problem from an error of the pool. */
void warm_problem(const struct pool_error *err, struct problem *problem);

#endif
