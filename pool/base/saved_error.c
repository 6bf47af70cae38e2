/*
 * A copy with a text of the length that it has. threads: any, each error its own; no locks.
 */
#include "base/saved_error.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void pool__saved_error_set(struct pool__saved_error *saved, const struct pool_error *err)
{
    pool__saved_error_drop(saved);
    if (err->code == POOL_OK)
        return;
    *saved = (struct pool__saved_error){
        .message = strdup(err->message),
        .code = err->code,
        .server_errno = err->server_errno,
        .fatal = err->fatal,
        .not_executed = err->not_executed,
        .retry_transaction = err->retry_transaction,
    };
    memcpy(saved->sqlstate, err->sqlstate, sizeof saved->sqlstate);
}

void pool__saved_error_tell(const struct pool__saved_error *saved, struct pool_error *err)
{
    pool__ok(err);
    if (saved->code == POOL_OK)
        return;
    pool__fail(err, saved->code, "%s",
               saved->message ? saved->message : pool__code_text(saved->code));
    err->server_errno = saved->server_errno;
    memcpy(err->sqlstate, saved->sqlstate, sizeof err->sqlstate);
    err->fatal = saved->fatal;
    err->not_executed = saved->not_executed;
    err->retry_transaction = saved->retry_transaction;
}

void pool__saved_error_drop(struct pool__saved_error *saved)
{
    free(saved->message);
    *saved = (struct pool__saved_error){.code = POOL_OK};
}
