/*
 * An op: a call with a callback, from its acceptance to its delivery. See op.c.
 */
#ifndef POOL_ASYNC_OP_H
#define POOL_ASYNC_OP_H

#include "base/alarms.h"
#include "base/fiber.h"
#include "base/list.h"
#include "base/loop.h"
#include "conn/batch.h"
#include "conn/query.h"
#include "engine/borrow.h"
#include "engine/job.h"
#include "engine/queued.h"
#include "engine/workers.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pool__op;

/* What differs from one call to another. */
struct pool__op_kind {
    bool queues;    /* for a connection; else it has one */
    bool handle;    /* what it borrows is a handle, not for one statement */
    bool statement; /* it counts as one */
    bool checks;    /* when it is accepted: whether it has as many values as placeholders */
    /* On a fiber; NULL: the connection is all that it wants. */
    void (*run)(struct pool__op *op, struct pool_error *err);
    void (*deliver)(struct pool__op *op, const struct pool_error *err); /* NULL: success */
    /* After a failed run: whether to run it again, and after how long. NULL: never, unless it
     * is a statement that may. */
    bool (*again)(struct pool__op *op, const struct pool_error *err, uint64_t *ret_pause_ns);
};

enum pool__op_kill {
    POOL__OP_KILL_NONE,
    POOL__OP_KILL_ORDERED,
    POOL__OP_KILL_ANSWERED,
    POOL__OP_KILL_UNKNOWN, /* it was sent, and the answer did not come */
    POOL__OP_KILL_GIVEN_UP /* the connection is lost: nobody is to be killed */
};

union pool__op_fn {
    pool_query_fn *query;
    pool_conn_fn *conn;
};

struct pool__op {
    struct pool__queued queued; /* first: it is freed as one */
    struct pool__task task;
    struct pool__alarm alarm; /* while it is queued, follows, or pauses before it runs again */
    const struct pool__op_kind *kind;
    struct pool__ask ask;
    struct pool__job job;
    struct pool_request request;
    struct pool__borrowed borrowed;
    struct pool_conn conn;
    unsigned attempt;
    unsigned retries; /* of a transaction */
    bool began;
    bool settled; /* its statement, or its transaction, is over: nothing is stopped any more, */
    bool commits; /* and it is not cancelled any more */
    uint8_t kill_pause; /* before the next KILL, in ms */
    bool waits;         /* in the queue, or taken along */
    bool pauses;        /* before it runs again */
    bool early;         /* it is delivered as a task, whether or not its fiber has ended by then */
    bool delivered;
    struct pool__fiber *fiber; /* while it runs */
    union pool__op_fn fn;
    union {
        struct {
            pool_flow_fn *flow;
            struct pool__sink sink;
        } stream;
        struct {
            pool_transaction_fn *fn;
            unsigned tries;
            uint8_t isolation; /* enum pool_isolation */
            bool read_only;
        } transaction;
    } with;
    void *arg;
    /* Cancelling; see cancel.c. */
    struct pool__task cancel_task;
    _Atomic bool cancel_posted;
    _Atomic bool cancel_asked; /* by whom the loop may not have heard yet */
    bool cancelled;
    bool blow_may_come; /* a KILL had no answer */
    /* Of a stream. */
    _Atomic bool resume_posted;
    bool paused;
    bool resumed;          /* it will not pause next time */
    _Atomic uint32_t kill; /* enum pool__op_kill */
    struct pool__chore kill_chore;
    unsigned long kill_thread_id;
    struct pool__batch batch; /* if job.batch says so */
    struct pool__task resume_task;
    const char *misuse; /* of a stream by its row function, which ends it; NULL: none */
    uint64_t ticket;    /* 0: nobody has a handle */
    _Alignas(16) char copies[];
};

static inline struct pool__op *pool__op_of(struct pool__queued *call)
{
    return POOL__ENTRY(call, struct pool__op, queued);
}

void pool__op_drop(struct pool__op *op);

/* Delivers to a pool_query_fn. */
void pool__op_tell(struct pool__op *op, const struct pool_error *err);

/* What becomes of it, once it is posted as a task. */
void pool__op_init(struct pool__op *op);

/* On the loop: what has become of an op that waited; and the end. */
void pool__op_decided(struct pool__op *op);
void pool__op_deliver(struct pool__op *op, struct pool_error *err);

/* On the loop, for one that waits: it is decided now, or an alarm is set to look again. */
void pool__op_cancel_waiting(struct pool__op *op);
/* If it was cancelled, it fails although there is a result. */
void pool__op_drop_result(struct pool__op *op, struct pool_error *err);

#endif
