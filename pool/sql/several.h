/*
 * Several statements in one text. threads: any.
 */
#ifndef POOL_SQL_SEVERAL_H
#define POOL_SQL_SEVERAL_H

#include "mypool.h"

/* The text has failed after so many results: adds to the message which of its statements failed,
 * and which were executed. `broken`: the reply to the one that failed was not read to its end. */
void pool__several_tell(const char *sql, size_t len, unsigned results, bool broken,
                        struct pool_error *err);

#endif
