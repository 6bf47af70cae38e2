/*
 * What makes several statements one: a transaction of their own, or a savepoint in the one
 * that is open. The caller owns the connection.
 */
#ifndef POOL_CONN_SAVEPOINT_H
#define POOL_CONN_SAVEPOINT_H

#include "conn/conn.h"

#include <stdbool.h>
#include <stdint.h>

enum pool__savepoint_kind {
    POOL__SAVEPOINT_NONE,
    POOL__SAVEPOINT_TRANSACTION,
    POOL__SAVEPOINT_NO_AUTOCOMMIT, /* a transaction, too; should the server undo it, what is on its
                                  way already is not kept by itself either */
    POOL__SAVEPOINT_INSIDE
};

enum pool__savepoint_undo {
    POOL__SAVEPOINT_NOT_UNDONE, /* it was not tried, or there was no answer */
    POOL__SAVEPOINT_UNDONE,
    POOL__SAVEPOINT_UNDONE_IN_PART /* tables without transactions were changed, and stay so */
};

struct pool__savepoint {
    struct pool__conn *conn;
    enum pool__savepoint_kind kind; /* that is open */
    bool inside;                    /* a transaction of the caller's is open */
    bool committing;                /* the commit has been tried and not answered */
    enum pool__savepoint_undo undo;
};

/* `held`: the connection is a handle of the program's, and so is its transaction; without
 * autocommit there always is one. */
void pool__savepoint_init(struct pool__savepoint *savepoint, struct pool__conn *conn, bool held);
/* `ahead`: statements will be sent before those in front of them are answered. */
bool pool__savepoint_open(struct pool__savepoint *savepoint, bool ahead, uint64_t deadline_ns,
                          struct pool_error *err);
/* Whether statements may be sent ahead. */
static inline bool pool__savepoint_lets_ahead(const struct pool__savepoint *savepoint)
{
    return savepoint->kind == POOL__SAVEPOINT_NO_AUTOCOMMIT;
}
/* Keeps what was done within. Does nothing if no savepoint is open. */
bool pool__savepoint_close(struct pool__savepoint *savepoint, uint64_t deadline_ns,
                           struct pool_error *err);

/* Undoes what was done within, after the failure that `err` tells. If it cannot be undone the
 * connection is broken, and its end undoes it. */
void pool__savepoint_undo(struct pool__savepoint *savepoint, uint64_t deadline_ns,
                          struct pool_error *err);

#endif
