/*
 * A copy with a text of the length that it has. threads: any, each error its own; no locks.
 */
#include "base/kept.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void pool__keep(struct pool__kept *kept, const struct pool_error *err)
{
    pool__kept_drop(kept);
    if (err->code == POOL_OK)
        return;
    *kept = (struct pool__kept){
        .message = strdup(err->message),
        .code = err->code,
        .server_errno = err->server_errno,
        .fatal = err->fatal,
        .not_executed = err->not_executed,
        .retry_transaction = err->retry_transaction,
    };
    memcpy(kept->sqlstate, err->sqlstate, sizeof kept->sqlstate);
}

void pool__kept_tell(const struct pool__kept *kept, struct pool_error *err)
{
    pool__ok(err);
    if (kept->code == POOL_OK)
        return;
    pool__fail(err, kept->code, "%s", kept->message ? kept->message : pool__code_text(kept->code));
    err->server_errno = kept->server_errno;
    memcpy(err->sqlstate, kept->sqlstate, sizeof err->sqlstate);
    err->fatal = kept->fatal;
    err->not_executed = kept->not_executed;
    err->retry_transaction = kept->retry_transaction;
}

void pool__kept_drop(struct pool__kept *kept)
{
    free(kept->message);
    *kept = (struct pool__kept){.code = POOL_OK};
}
