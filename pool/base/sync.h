/*
 * Locks, parking and the clock, wrapped once.
 *
 * A thread that waits parks on a 32-bit word (a futex). Threads that may have to be
 * woken together share one, each with a bit as its name: they park as long as the
 * word has the value that they saw before they looked whether there is anything to
 * wait for, and the waker changes it. What they wait for can live on their stacks,
 * since the word does not.
 *
 * In the build that explores interleavings (POOL__EXPLORE) every step between
 * threads goes through the test's own scheduler instead; see
 * tests/support/explore_core.c.
 */
#ifndef POOL_BASE_SYNC_H
#define POOL_BASE_SYNC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define POOL__NS_PER_MS UINT64_C(1000000)
#define POOL__FOREVER UINT64_MAX /* a deadline that never comes */

#ifdef POOL__EXPLORE

struct pool__mutex {
    int held;
};
void pool__explore_point(void);
void pool__mutex_init(struct pool__mutex *mutex);
void pool__mutex_fini(struct pool__mutex *mutex);
void pool__lock(struct pool__mutex *mutex);
void pool__unlock(struct pool__mutex *mutex);
bool pool__park_as(_Atomic uint32_t *word, uint32_t expected, uint32_t bits, uint64_t deadline_ns);
void pool__unpark_all(_Atomic uint32_t *word, uint32_t bits);
uint64_t pool__now_ns(void);

#else

static inline void pool__explore_point(void)
{
}

struct pool__mutex {
    pthread_mutex_t native;
};

static inline void pool__mutex_init(struct pool__mutex *mutex)
{
    pthread_mutex_init(&mutex->native, NULL);
}

static inline void pool__mutex_fini(struct pool__mutex *mutex)
{
    pthread_mutex_destroy(&mutex->native);
}

static inline void pool__lock(struct pool__mutex *mutex)
{
    pthread_mutex_lock(&mutex->native);
}

static inline void pool__unlock(struct pool__mutex *mutex)
{
    pthread_mutex_unlock(&mutex->native);
}

/* Sleeps while *word is `expected`, until woken or the deadline; may return early.
 * False once the deadline has passed. */
bool pool__park(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);

/* The same on a word that is shared. */
bool pool__park_as(_Atomic uint32_t *word, uint32_t expected, uint32_t bits, uint64_t deadline_ns);

/* Wakes the one thread that is parked on the word. */
void pool__unpark(_Atomic uint32_t *word);

/* Changes the word, and wakes all that are parked on it with one of the bits. */
void pool__unpark_all(_Atomic uint32_t *word, uint32_t bits);

/* The monotonic clock; and what it said at its last tick, some milliseconds ago, which is
 * cheaper. */
uint64_t pool__now_ns(void);
uint64_t pool__about_now_ns(void);

/* A thread with a small stack and all signals blocked. */
bool pool__thread_start(pthread_t *ret_id, void *(*run)(void *), void *arg);

#endif

/* `ms` after `now`; POOL_NEVER (UINT32_MAX) is forever. */
static inline uint64_t pool__after_ms(uint64_t now_ns, uint32_t ms)
{
    return ms == UINT32_MAX ? POOL__FOREVER : now_ns + ms * POOL__NS_PER_MS;
}

/* The same from now on. */
static inline uint64_t pool__deadline_in(uint32_t ms)
{
    return pool__after_ms(pool__now_ns(), ms);
}

void pool__close_fd(int fd); /* -1 is allowed */

/* The earlier of two deadlines. */
static inline uint64_t pool__earlier(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* Of the same clock. */
struct timespec pool__timespec(uint64_t ns);

/* Sleeps; other threads do not end it. */
void pool__sleep_until(uint64_t at_ns);

/* Between these a thread is not cancelled: it would leave half done what others count on. */
int pool__uncancellable_begin(void);
void pool__uncancellable_end(int before);

#endif
