/*
 * What the holder of a connection believes of its transaction, and what has become of it.
 *
 * The server ends transactions by itself: after a deadlock, after some lock wait timeouts, in
 * a cluster. What the holder sends then would run on its own and be kept at once. So it is
 * refused until the holder rolls back, or begins anew.
 *
 * Called by whoever owns the connection, one thread at a time.
 */
#ifndef POOL_CONN_TRX_H
#define POOL_CONN_TRX_H

#include "mypool.h"

enum pool__trx_end {
    POOL__TRX_OPEN,       /* or there was none */
    POOL__TRX_LOST,       /* the server has undone it, and its holder has not answered that */
    POOL__TRX_HIDDEN,     /* ended by a statement that may have committed it or not */
    POOL__TRX_COMMITTED,  /* guarded: by the function, or by a statement that does so */
    POOL__TRX_ROLLED_BACK /* guarded: by the function */
};

struct pool__trx {
    bool guarded;   /* in pool_transaction: nothing runs outside of a transaction */
    bool refused;   /* guarded: something was, since the last begin */
    bool kept;      /* guarded: part of what the function did is, or may be, committed */
    bool unsure;    /* an error may have ended it: the server is to be asked */
    bool over;      /* unsure: the holder has tried to end it */
    bool hidden;    /* unsure: it may have been committed */
    unsigned cause; /* LOST, or unsure: the number of the error */
    enum pool__trx_end end;
    uint64_t deadline_ns; /* guarded: no statement lasts longer; 0: no limit */
};

struct pool__conn;

/* Whether pool__doubt_allows is to be asked before the next statement. */
static inline bool pool__trx_is_doubtful(const struct pool__trx *trx)
{
    return trx->unsure || trx->end != POOL__TRX_OPEN;
}

/* After a statement that has succeeded, if a transaction was open before it, or should have
 * been. */
void pool__trx_note_end(struct pool__conn *conn, bool was);

/* After a statement that has failed, likewise. */
void pool__trx_note_failure(struct pool__conn *conn, bool was);

/* The program has the native handle: it may run statements, and they may fail, unseen by the pool.
 * And, before each statement on such a connection: takes over what libmariadb has heard since. */
void pool__trx_note_unseen(struct pool__conn *conn);
void pool__trx_note_native(struct pool__conn *conn);

/* After an error of the server. */
struct pool__error_facts;
void pool__trx_note_error(struct pool__conn *conn, unsigned code,
                          const struct pool__error_facts *facts);

/* For doubt.c: forgets all that was noted; and notes that a transaction has ended, nobody knows
 * how. */
void pool__trx_forget(struct pool__trx *trx);
void pool__trx_note_hidden_end(struct pool__conn *conn);

#endif
