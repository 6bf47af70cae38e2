/*
 * pool_transaction: begin, the caller's function, commit or roll back, and all of it
 * again if the server chose this transaction as the victim of a deadlock. Written on
 * the public calls alone; the caller's thread runs everything.
 */
#include "error.h"
#include "sync.h"

#include <time.h>

#define RETRIES 3

/* Run again after 1 to 16 ms, more each time, so that the two victims of one deadlock
 * do not meet again. The low bits of the clock are random enough for that. */
static void pause_before(int retry)
{
    uint64_t bound_ns = (UINT64_C(4) << retry) * POOL__NS_PER_MS / 2;
    uint64_t mixed = pool__now_ns() * UINT64_C(0x9E3779B97F4A7C15) >> 20;
    struct timespec pause = {0, (long)(POOL__NS_PER_MS + mixed % bound_ns)};
    nanosleep(&pause, NULL);
}

/* One run on a borrowed connection. False with code POOL_OK: the function said no and
 * gave no reason. */
static bool attempt(struct pool_conn conn, pool_transaction_fn *fn, void *arg,
                    struct pool_error *err)
{
    struct pool_error ignored;
    if (!pool_conn_begin(conn, err))
        return false;
    if (fn(conn, arg, err))
        return pool_conn_commit(conn, err);
    /* If this fails too, the release finds the transaction open and resets. */
    pool_conn_rollback(conn, &ignored);
    return false;
}

bool pool_transaction(struct pool *pool, pool_transaction_fn *fn, void *arg,
                      struct pool_error *err)
{
    struct pool_error own;
    struct pool_conn conn;
    err = err ? err : &own;
    pool__ok(err);
    if (!fn)
        return pool__fail(err, POOL_ERR_INVALID, "the transaction function is NULL");
    for (int retry = 0;; retry++) {
        if (!pool_get_connection(pool, &conn, err))
            return false;
        bool done = attempt(conn, fn, arg, err);
        pool_conn_release(conn, NULL);
        if (done)
            return true;
        if (!err->retry_transaction || retry == RETRIES)
            break;
        pause_before(retry);
        pool__ok(err);
    }
    if (err->code == POOL_OK)
        pool__fail(err, POOL_ERR_CANCELLED, "the transaction function asked for a rollback");
    return false;
}
