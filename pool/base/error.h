/*
 * How every function of the library reports what happened. `err` may be NULL
 * everywhere. threads: any; each error belongs to one call.
 */
#ifndef POOL_BASE_ERROR_H
#define POOL_BASE_ERROR_H

#include "mypool.h"

/* Fills in `err` with a code and a message, everything else cleared, and returns
 * false, so that a caller can write `return pool__fail(err, ...)`. The arguments may
 * point into the old message. What does not fit is cut between two characters. */
__attribute__((format(printf, 3, 4))) bool pool__fail(struct pool_error *err, enum pool_code code,
                                                      const char *format, ...);

/* The same for a call that failed before anything of the statement was sent (not_executed); and for
 * one that failed because its connection had been lost before (fatal as well). */
__attribute__((format(printf, 3, 4))) bool
pool__fail_unsent(struct pool_error *err, enum pool_code code, const char *format, ...);
__attribute__((format(printf, 3, 4))) bool
pool__fail_lost(struct pool_error *err, enum pool_code code, const char *format, ...);

/* And for one that costs the connection, whatever the server has done of it (fatal). */
__attribute__((format(printf, 3, 4))) bool
pool__fail_fatal(struct pool_error *err, enum pool_code code, const char *format, ...);

/* Copies `from`, which may be `err` itself, and returns false. */
bool pool__fail_copy(struct pool_error *err, const struct pool_error *from);

/* The same error with more words before and behind. */
void pool__error_reword(struct pool_error *err, const char *before, const char *behind);

/* Says that the call succeeded. */
static inline void pool__ok(struct pool_error *err)
{
    if (!err)
        return;
    err->code = POOL_OK;
    err->server_errno = 0;
    err->sqlstate[0] = '\0';
    err->fatal = false;
    err->not_executed = false;
    err->retry_transaction = false;
    err->message[0] = '\0';
}

/* At the begin of a public call: from here on `err` is no NULL, and says that nothing has failed.
 */
#define POOL__OWN_ERROR(err)                                                                       \
    struct pool_error own_error;                                                                   \
    (err) = (err) ? (err) : &own_error;                                                            \
    pool__ok(err)

/* What a code means, in words. Never NULL. */
const char *pool__code_text(enum pool_code code);

#endif
