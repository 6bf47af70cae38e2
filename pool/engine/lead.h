/*
 * Running a statement on a connection that has been borrowed, and those of callers who
 * wait with it.
 */
#ifndef POOL_ENGINE_LEAD_H
#define POOL_ENGINE_LEAD_H

#include "base/saved_error.h"
#include "conn/load.h"
#include "conn/query.h"
#include "core/core.h"
#include "engine/borrow.h"
#include "sql/statement.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One statement as a public call was given it. It points to what the caller passed. */
struct pool__job {
    const struct pool_request *request;
    const struct pool__sink *sink;   /* NULL: into a result */
    const struct pool__batch *batch; /* its text with these rows; NULL: a single statement */
    struct pool__statement statement;
    bool held;         /* on a handle of the program's, not on a connection borrowed for this */
    bool rides;        /* may be taken along by another borrower */
    bool company;      /* others are on the connection with it */
    bool looped;       /* the call has a callback: the loop says when it has ended */
    bool may_have_run; /* in an attempt before the last */
    unsigned attempts; /* of a blocking call, so far */
    uint64_t began_ns; /* the call; 0: nobody asks */
    /* Its result, or error, is there, while pool__lead goes on for others. NULL: nobody is told. */
    void (*told)(struct pool__job *job, struct pool_result *result, const struct pool_error *err);
    uint64_t limit_ns; /* for all attempts at the statement together, waits not counted; 0: not
                          tried yet */
};

/* Of what fails here nothing has been sent anywhere. On failure there is nothing to free. */
bool pool__job_init(struct pool__job *job, const struct pool *pool,
                    const struct pool_request *request, const struct pool__sink *sink,
                    struct pool_error *err);
void pool__job_fini(struct pool__job *job);

/* A statement whose caller waits for a connection, or rides on one: on the heap, because
 * it may outlive the caller's patience. */
struct pool__call {
    struct pool__waiter waiter;
    _Atomic uint32_t holders; /* the caller, and the leader while it is aboard */
    struct pool *pool;
    const struct pool__job *job;    /* not to be touched while the caller may leave */
    struct pool_result *result;     /* on ARRIVED; NULL: see kept */
    struct pool__saved_error saved; /* why it failed */
};

/* Ready to be queued. `waited_ns`: in the queue so far. NULL if it is not one to ride, or memory
 * is out: then the caller waits alone. */
struct pool__call *pool__call_new(struct pool *pool, const struct pool__job *job,
                                  uint64_t call_deadline_ns, uint64_t waited_ns);
/* The same in two steps for one that is part of something else on the heap, at its start: once,
 * and each time before it is queued. */
void pool__call_init(struct pool__call *call, struct pool *pool, const struct pool__job *job,
                     uint64_t call_deadline_ns);
void pool__call_get_ready(struct pool__call *call, uint64_t waited_ns);

void pool__call_drop(struct pool__call *call);

/* After ARRIVED or LEFT, by the caller, once: what came of its job. Adds to ask->waited_ns, and
 * ends the attempt of a blocking call. */
struct pool_result *pool__call_end(struct pool__call *call, struct pool__job *job,
                                   enum pool__outcome outcome, struct pool__ask *ask,
                                   struct pool_error *err);

/* Runs the job on a connection that this thread owns. `waited_ns`: of the whole call so far,
 * which is no time of the statement's. */
struct pool_result *pool__run_job(struct pool *pool, const struct pool__borrowed *borrowed,
                                  struct pool__job *job, uint64_t call_deadline_ns,
                                  uint64_t waited_ns, struct pool_error *err);

/* The same, and takes along who waits and may ride: for a connection borrowed for this one
 * statement. */
struct pool_result *pool__lead(struct pool *pool, const struct pool__borrowed *borrowed,
                               struct pool__job *job, uint64_t call_deadline_ns, uint64_t waited_ns,
                               struct pool_error *err);

/* The call has ended: it is counted once, and told to on_query. `slot`: where its success is to
 * be counted, the caller's own still; NULL if that has been done. The hook needs something that
 * pool_end waits for. */
void pool__job_ended(struct pool *pool, const struct pool__job *job, struct pool__slot *slot,
                     const struct pool_result *result, enum pool_code code);

/* After each attempt of a blocking call. ask->again says whether there is to be another one;
 * else the call has ended. */
void pool__attempt_ended(struct pool *pool, struct pool__ask *ask, struct pool__job *job,
                         struct pool__slot *slot, const struct pool_result *result,
                         struct pool_error *err);

/* After a failed attempt, the number of which is given: whether another may be made. */
bool pool__may_try_again(const struct pool *pool, const struct pool__job *job, unsigned attempt,
                         const struct pool_error *err);

/* Whether the server answers on a connection that the caller owns. */
bool pool__job_ping(struct pool *pool, const struct pool__borrowed *borrowed,
                    struct pool_error *err);

#endif
