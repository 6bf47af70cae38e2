/*
 * A statement, or a batch, that was given to a public call. See job.c.
 */
#ifndef POOL_ENGINE_JOB_H
#define POOL_ENGINE_JOB_H

#include "conn/batch.h"
#include "conn/query.h"
#include "core/core.h"
#include "engine/borrow.h"
#include "sql/statement.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define POOL__SHORTEST_PIPELINED_MS                                                                \
    20 /* a statement with less time than this goes, or leads, alone */

/* One statement as a public call was given it. It points to what the caller passed. */
struct pool__job {
    const struct pool_request *request;
    const struct pool__sink *sink;   /* NULL: into a result */
    const struct pool__batch *batch; /* has the rows for the text; NULL: a single statement */
    struct pool__statement statement;
    bool held;         /* the job has a handle of the program's, not a connection borrowed for it */
    bool may_follow;   /* may be taken along by another borrower */
    bool pipelined;    /* others are on the connection with it */
    bool looped;       /* the call has a callback: the loop says when it has ended */
    bool may_have_run; /* the statement, in an attempt before the last */
    unsigned attempts; /* of a blocking call, so far */
    uint64_t began_ns; /* the call; 0: nobody asks */
    /* Called when the job's result, or error, is there, while pool__leader_run goes on for others;
     * or NULL. */
    void (*told)(struct pool__job *job, struct pool_result *result, const struct pool_error *err);
    uint64_t limit_ns; /* for all attempts at the statement together, waits not counted; 0: not
                          tried yet */
};

/* If pool__job_init fails, nothing was sent and nothing needs freeing. */
bool pool__job_init(struct pool__job *job, const struct pool *pool,
                    const struct pool_request *request, const struct pool__sink *sink,
                    struct pool_error *err);
void pool__job_fini(struct pool__job *job);

/* Runs the job on a connection that this thread owns. `waited_ns`: of the whole call so far,
 * which is no time of the statement's. */
struct pool_result *pool__job_run(struct pool *pool, const struct pool__borrowed *borrowed,
                                  struct pool__job *job, uint64_t call_deadline_ns,
                                  uint64_t waited_ns, struct pool_error *err);

/* The call has ended: it is counted once, and told to on_query. `slot`: where its success is to
 * be counted, the caller's own still; NULL if that has been done. The hook needs something that
 * pool_end waits for. */
void pool__job_ended(struct pool *pool, const struct pool__job *job, struct pool__slot *slot,
                     const struct pool_result *result, enum pool_code code);

/* After each attempt of a blocking call. ask->again says whether there is to be another one;
 * else the call has ended. */
void pool__job_attempt_ended(struct pool *pool, struct pool__ask *ask, struct pool__job *job,
                             struct pool__slot *slot, const struct pool_result *result,
                             struct pool_error *err);

/* After failed attempt number `attempt`: whether another may be made. */
bool pool__job_may_try_again(const struct pool *pool, const struct pool__job *job, unsigned attempt,
                             const struct pool_error *err);

/* Whether the server answers on a connection that the caller owns. */
bool pool__job_ping(struct pool *pool, const struct pool__borrowed *borrowed,
                    struct pool_error *err);

/* What an error says about the server as a whole. `slot`: of the connection that it came from. */
void pool__job_note_error(struct pool *pool, unsigned slot, const struct pool_error *err);
/* Notes what a statement leaves behind that this thread has run for itself. */
void pool__job_conclude(struct pool *pool, const struct pool__borrowed *borrowed,
                        const struct pool_result *result, const struct pool_error *err);
/* Until when the statement may take, of all attempts together. */
uint64_t pool__job_deadline(const struct pool *pool, struct pool__job *job,
                            uint64_t call_deadline_ns, uint64_t waited_ns);
/* Adds to a counter that the owner of the slot alone writes. */
void pool__job_add(_Atomic uint64_t *counter, uint64_t count);

#endif
