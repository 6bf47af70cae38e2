/*
 * Whether a statement is given as many values as it takes, before it waits for a connection.
 */
#ifndef POOL_SQL_ARITY_H
#define POOL_SQL_ARITY_H

#include "sql/statement.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define POOL__ARITIES 256 /* a power of two, up to 65536 */

/* Statements that were right, with their number of values: bits of the hash, and the number in
 * the lowest 16. */
struct pool__arities {
    _Atomic uint64_t known[POOL__ARITIES];
};

/* False if it is certain that the number is wrong, in the eyes of any server. threads: any. */
bool pool__arity_check(struct pool__arities *arities, const struct pool__statement *statement,
                       struct pool_error *err);

#endif
