/*
 * Stacks and switches. A stack is mapped with a guard page below, so that running over it
 * ends the program instead of overwriting something; pages are taken when they are first
 * touched. The switch is ucontext's, which also saves the signal mask: a system call, a
 * fraction of what the wait itself costs. The sanitizers are told of every switch.
 *
 * Compilers may keep the address of a thread-local variable across a call. A fiber can go
 * on on another thread, so the one variable here is only touched in functions of their own.
 */
#include "base/fiber.h"

#include "base/barrier.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined __SANITIZE_THREAD__
#define WITH_TSAN 1
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* A statement over TLS needs less than 40 KiB. The rest is for the program's own code in
 * transactions, and in sanitizer builds for their bigger frames. */
#if defined WITH_ASAN || defined WITH_TSAN
#define STACK_SIZE (1024 * 1024)
#else
#define STACK_SIZE (256 * 1024)
#endif

struct pool__fiber {
    ucontext_t own;
    ucontext_t caller;
    void (*run)(void *arg);
    void *arg;
    pool__await_fn *await;
    void *owner;
    char *map; /* the guard page, and the stack above it */
    size_t guard;
    bool done;
    struct pool__fiber *outer; /* current before it was resumed */
#ifdef WITH_ASAN
    void *fake;
    void *caller_fake;
    const void *caller_bottom;
    size_t caller_size;
#endif
#ifdef WITH_TSAN
    void *tsan;
    void *caller_tsan;
#endif
};

static _Thread_local struct pool__fiber *current;

__attribute__((noinline)) struct pool__fiber *pool__fiber_current(void)
{
    return current;
}

__attribute__((noinline)) static void set_current(struct pool__fiber *fiber)
{
    current = fiber;
}

struct pool__fiber *pool__fiber_new(pool__await_fn *await, void *owner)
{
    struct pool__fiber *fiber = calloc(1, sizeof *fiber);
    if (!fiber)
        return NULL;
    fiber->await = await;
    fiber->owner = owner;
    fiber->guard = (size_t)sysconf(_SC_PAGESIZE);
    fiber->map = mmap(NULL, fiber->guard + STACK_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (fiber->map == MAP_FAILED || mprotect(fiber->map, fiber->guard, PROT_NONE) != 0) {
        if (fiber->map != MAP_FAILED)
            munmap(fiber->map, fiber->guard + STACK_SIZE);
        free(fiber);
        return NULL;
    }
#ifdef WITH_TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
    return fiber;
}

void pool__fiber_free(struct pool__fiber *fiber)
{
    if (!fiber)
        return;
#ifdef WITH_TSAN
    __tsan_destroy_fiber(fiber->tsan);
#endif
#ifdef WITH_ASAN
    __asan_unpoison_memory_region(fiber->map + fiber->guard, STACK_SIZE);
#endif
    munmap(fiber->map, fiber->guard + STACK_SIZE);
    free(fiber);
}

void *pool__fiber_owner(const struct pool__fiber *fiber)
{
    return fiber->owner;
}

/* Both ways of the switch, as the sanitizers want to hear of it. */

static void switch_in(struct pool__fiber *fiber)
{
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(&fiber->caller_fake, fiber->map + fiber->guard, STACK_SIZE);
#endif
#ifdef WITH_TSAN
    fiber->caller_tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber->tsan, 0);
#endif
    swapcontext(&fiber->caller, &fiber->own);
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fiber->caller_fake, NULL, NULL);
#endif
}

static void has_switched_in(struct pool__fiber *fiber)
{
    (void)fiber;
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fiber->fake, &fiber->caller_bottom, &fiber->caller_size);
#endif
}

static void switch_out(struct pool__fiber *fiber)
{
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(fiber->done ? NULL : &fiber->fake, fiber->caller_bottom,
                                   fiber->caller_size);
#endif
#ifdef WITH_TSAN
    __tsan_switch_to_fiber(fiber->caller_tsan, 0);
#endif
    swapcontext(&fiber->own, &fiber->caller);
    has_switched_in(fiber);
}

static void entry(unsigned high, unsigned low)
{
    struct pool__fiber *fiber =
        (struct pool__fiber *)(uintptr_t)((uint64_t)high << 32 | (uint64_t)low);
    has_switched_in(fiber);
    POOL__BARRIER();
    fiber->run(fiber->arg);
    fiber->done = true;
    switch_out(fiber);
}

bool pool__fiber_resume(struct pool__fiber *fiber)
{
    fiber->outer = pool__fiber_current();
    set_current(fiber);
    switch_in(fiber);
    set_current(fiber->outer);
    return fiber->done;
}

bool pool__fiber_start(struct pool__fiber *fiber, void (*run)(void *arg), void *arg)
{
    uint64_t address = (uint64_t)(uintptr_t)fiber;
    fiber->run = run;
    fiber->arg = arg;
    fiber->done = false;
#ifdef WITH_ASAN
    fiber->fake = NULL;
#endif
    getcontext(&fiber->own);
    fiber->own.uc_stack.ss_sp = fiber->map + fiber->guard;
    fiber->own.uc_stack.ss_size = STACK_SIZE;
    fiber->own.uc_link = NULL;
    makecontext(&fiber->own, (void (*)(void))entry, 2, (unsigned)(address >> 32),
                (unsigned)address);
    return pool__fiber_resume(fiber);
}

void pool__fiber_yield(struct pool__fiber *fiber)
{
    switch_out(fiber);
}

enum pool__wake pool__fiber_await(struct pool__fiber *fiber, int fd, bool for_read,
                                  uint64_t deadline_ns)
{
    return fiber->await(fiber, fd, for_read, deadline_ns);
}
