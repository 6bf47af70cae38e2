/*
 * The prepared statements that all connections of a pool may have together. See stmt.c.
 */
#ifndef POOL_CONN_BUDGET_H
#define POOL_CONN_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pool__stmt_budget {
    _Atomic uint64_t used;
    _Atomic uint64_t limit;    /* from max_prepared_stmt_count; 0: not known yet */
    _Atomic uint64_t prepares; /* a counter */
    _Atomic bool careful; /* the server has run out: prepare and execute apart, see prepared.c */
};

#endif
