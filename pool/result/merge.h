/*
 * Two results as one. See merge.c.
 */
#ifndef POOL_RESULT_MERGE_H
#define POOL_RESULT_MERGE_H

#include "mypool.h"

/* Adds `part` to `total`; both are complete. The affected rows, warnings and rows of their first
 * sets are put together, and the first insert id that there is counts. `part` belongs to `total`
 * afterwards, also on failure: POOL_ERR_TOO_BIG if `total` is then over its limits. */
bool pool__merge_results(struct pool_result *total, struct pool_result *part,
                         struct pool_error *err);

#endif
