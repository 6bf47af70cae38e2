/*
 * Two results as one. See merge.c.
 */
#ifndef POOL_RESULT_MERGE_H
#define POOL_RESULT_MERGE_H

#include "mypool.h"

/* Makes one of two results that have an end each: the affected rows, warnings and rows of the
 * first sets together, and the first insert id that there is. `part` goes into `total`, also
 * on failure: POOL_ERR_TOO_BIG if that is then over its limits. */
bool pool__merge_results(struct pool_result *total, struct pool_result *part,
                         struct pool_error *err);

#endif
