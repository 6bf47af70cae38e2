/*
 * The program's hooks, as the rest of the pool calls them: under no lock, and known to be inside
 * one for as long as they last. Each function does nothing if there is no such hook. threads: any.
 */
#ifndef POOL_ENGINE_HOOKS_H
#define POOL_ENGINE_HOOKS_H

#include "mypool.h"

void pool__hooks_tell_connection(struct pool *pool, unsigned long thread_id);
void pool__hooks_tell_enqueue(struct pool *pool);
void pool__hooks_tell_acquire(struct pool *pool, uint64_t waited_ns);
void pool__hooks_tell_release(struct pool *pool, uint64_t held_ns);
void pool__hooks_tell_close(struct pool *pool, enum pool_close_reason reason,
                            unsigned long thread_id);
void pool__hooks_tell_query(struct pool *pool, const char *label, uint64_t digest,
                            uint64_t elapsed_ns, uint64_t rows, enum pool_code code);
/* `cause`: NULL if all is well. */
void pool__hooks_tell_state(struct pool *pool, enum pool_state state, const char *cause);
void pool__hooks_tell_leak(struct pool *pool, const char *label, uint32_t held_ms);

/* Around a hook of a caller without a connection: pool_end waits for it. False: it is too late
 * for a hook, and there is nothing to let go. */
bool pool__hooks_hold_end(struct pool *pool);
void pool__hooks_let_end(struct pool *pool);

/* Asks what to log in with: the program's credentials function, or the options. `refresh`: the
 * server has refused what was given last. */
bool pool__hooks_ask_credentials(struct pool *pool, bool refresh, struct pool_credentials *ret,
                                 struct pool_error *err);

#endif
