/*
 * What the two faces of a transaction share. See transaction.c.
 */
#ifndef POOL_API_TRANSACTION_H
#define POOL_API_TRANSACTION_H

#include "api/connection.h"
#include "mypool.h"

#include <stdbool.h>
#include <stdint.h>

#define POOL__ASKED_FOR_A_ROLLBACK "the transaction function asked for a rollback"

struct pool__conn;
struct pool__op;

/* What is the same in all runs of a transaction. */
struct pool__transaction {
    pool_transaction_fn *fn;
    void *arg;
    struct pool_transaction_request request;
    uint64_t deadline_ns;
    struct pool__op *op; /* of a call with a callback; else NULL */
    bool kept;           /* set: part of what the function did in the last run was committed */
};

bool pool__transaction_check(const struct pool_transaction_request *request,
                             struct pool_error *err);

/* How it begins. */
struct pool__begin pool__transaction_begin(const struct pool__transaction *trx);
/* After it has begun: whether there is time left. */
bool pool__transaction_is_in_time(const struct pool__begin *begin, struct pool_error *err);
/* After a begin that failed: another one? No more connections can have died while they
 * were idle than the pool has. */
bool pool__transaction_may_begin_again(const struct pool *pool, const struct pool_error *err,
                                       unsigned begins);

/* One run on a borrowed connection with a transaction. False with code POOL_OK: the
 * function said no and gave no reason. */
bool pool__transaction_attempt(struct pool_conn conn, struct pool__transaction *of,
                               struct pool_error *err);

/* The last of the runs so far has failed with `err`: whether there is another one, and after how
 * long. A pause that would end too late is not begun. */
bool pool__transaction_may_run_again(const struct pool__transaction *trx, unsigned runs,
                                     const struct pool_error *err, uint64_t *ret_pause_ns);

/* A statement that was stopped: nothing else is to meet the blow. And whether the transaction may
 * still be committed. `ok`: it is going to be. */
bool pool__transaction_settle(const struct pool__transaction *trx, struct pool__conn *conn,
                              bool ok);

#endif
