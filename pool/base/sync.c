/*
 * Parking on Linux futexes, the clock, and how the pool's own threads are made: the only
 * place that knows how threads sleep. Any thread; no locks, no state.
 */
#include "base/sync.h"

#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE (512 * 1024) /* TLS handshakes, name look-ups and callbacks run on it */

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t pool__now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t pool__about_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

bool pool__park_as(_Atomic uint32_t *word, uint32_t expected, uint32_t bits, uint64_t deadline_ns)
{
    struct timespec until;
    struct timespec *timeout = NULL;
    if (deadline_ns != POOL__FOREVER) {
        until = pool__timespec(deadline_ns);
        timeout = &until;
    }
    /* WAIT_BITSET takes an absolute time on the monotonic clock, so that a
     * signal or a spurious wake-up cannot stretch the deadline. */
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, timeout, NULL, bits);
    return deadline_ns == POOL__FOREVER || pool__now_ns() < deadline_ns;
}

bool pool__park(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    return pool__park_as(word, expected, FUTEX_BITSET_MATCH_ANY, deadline_ns);
}

void pool__unpark(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void pool__unpark_all(_Atomic uint32_t *word, uint32_t bits)
{
    atomic_fetch_add(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, bits);
}

bool pool__thread_start(pthread_t *ret_id, void *(*run)(void *), void *arg)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(ret_id, &attributes, run, arg) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return ok;
}

void pool__close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

struct timespec pool__timespec(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / UINT64_C(1000000000)),
                             (long)(ns % UINT64_C(1000000000))};
}

void pool__sleep_until(uint64_t at_ns)
{
    _Atomic uint32_t never = 0;
    pool__park(&never, 0, at_ns);
}

int pool__uncancellable_begin(void)
{
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

void pool__uncancellable_end(int before)
{
    pthread_setcancelstate(before, NULL);
}
