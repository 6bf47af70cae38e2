/*
 * What a program has misread: a value that does not fit its variable, a column that is not there.
 * The loop that reads the rows ends at it, and afterwards pool_result_error tells. threads: one at
 * a time.
 */
#ifndef POOL_RESULT_MISREAD_H
#define POOL_RESULT_MISREAD_H

#include "mypool.h"

/* The error into which pool__fail is to write what was wrong. NULL, which pool__fail takes, if an
 * earlier mistake is known, or if memory is out: then that is what the program is told. */
struct pool_error *pool__misread(struct pool_result *result);

/* Notes why the current row cannot be read into these variables. Returns false. */
bool pool__misread_scan(struct pool_result *result, const struct pool_target *targets, size_t count,
                        size_t first_wrong);

/* Notes that there is no column of this name, or several. */
void pool__misread_name(struct pool_result *result, const char *name, bool ambiguous);

#endif
