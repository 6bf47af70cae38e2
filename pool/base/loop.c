/*
 * How the loop sleeps, and how it shares its time.
 *
 * Who posts a task looks whether the loop is asleep, and only then pokes it; the loop says
 * that it is going to sleep and then looks for tasks once more. Both in sequentially
 * consistent order, so one of them sees the other.
 *
 * A round takes a limited number of events, tasks and alarms; what is left has its turn in
 * the next one. A fiber that never has to wait lets others go first now and then (it awaits
 * nothing, with a deadline in the past).
 *
 * The lock guards the list of arrivals and nothing else. Callbacks run without it.
 */
#include "base/loop.h"

#include "base/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define ROUND 256 /* tasks, and alarms, in one round */

enum kind { ON_POKE, ON_TIMER, ON_CUT, ON_STRAND };

static _Thread_local const struct pool__loop *here;

__attribute__((noinline)) static void set_here(const struct pool__loop *loop)
{
    here = loop;
}

__attribute__((noinline)) static const struct pool__loop *get_here(void)
{
    return here;
}

__attribute__((noinline)) bool pool__loop_is_here(const struct pool__loop *loop)
{
    return here == loop;
}

void pool__loop_init(struct pool__loop *loop, unsigned strand_limit, bool manual)
{
    memset(loop, 0, sizeof *loop);
    pool__mutex_init(&loop->lock);
    pool__list_init(&loop->arrivals);
    pool__strands_init(&loop->strands, &loop->alarms, strand_limit, ON_STRAND);
    atomic_store(&loop->asleep, true);
    loop->cut_fd = -1;
    loop->manual = manual;
    loop->epoll_fd = loop->event_fd = loop->alarms.fd = -1;
    loop->alarms.fd_ns = POOL__FOREVER;
}

/* ---- opening and closing ---- */

static bool watch(struct pool__loop *loop, int fd, enum kind kind, uint32_t when)
{
    struct pool__event event = {.kind = kind};
    return fd >= 0 && pool__event_watch(loop->epoll_fd, EPOLL_CTL_ADD, fd, when, event);
}

static bool open_descriptors(struct pool__loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->strands.epoll_fd = loop->epoll_fd;
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->alarms.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return loop->epoll_fd >= 0 && watch(loop, loop->event_fd, ON_POKE, EPOLLIN) &&
           watch(loop, loop->alarms.fd, ON_TIMER, EPOLLIN) &&
           watch(loop, loop->cut_fd, ON_CUT, EPOLLIN | EPOLLONESHOT);
}

static void close_descriptors(struct pool__loop *loop)
{
    int *fds[] = {&loop->epoll_fd, &loop->event_fd, &loop->alarms.fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

static void *work(void *arg)
{
    struct pool__loop *loop = arg;
    pthread_setname_np(pthread_self(), "mypool-loop");
    while (!atomic_load(&loop->stop) || atomic_load(&loop->work))
        pool__loop_dispatch(loop, -1);
    return NULL;
}

static bool start_thread(struct pool__loop *loop)
{
    loop->threaded = pool__thread_start(&loop->thread, work, loop);
    return loop->threaded;
}

bool pool__loop_open(struct pool__loop *loop)
{
    pool__lock(&loop->lock);
    bool ok = loop->open;
    if (!ok && !atomic_load(&loop->stop)) {
        ok = open_descriptors(loop) && (loop->manual || start_thread(loop));
        if (!ok)
            close_descriptors(loop);
        loop->open = ok;
    }
    pool__unlock(&loop->lock);
    return ok;
}

static void poke(struct pool__loop *loop)
{
    eventfd_write(loop->event_fd, 1);
}

bool pool__loop_accept(struct pool__loop *loop)
{
    pool__lock(&loop->lock);
    bool ok = loop->open && !atomic_load(&loop->stop);
    if (ok)
        atomic_fetch_add(&loop->work, 1);
    pool__unlock(&loop->lock);
    return ok;
}

void pool__loop_done(struct pool__loop *loop)
{
    if (atomic_fetch_sub(&loop->work, 1) > 1 || !atomic_load(&loop->stop))
        return;
    pool__lock(&loop->lock);
    if (loop->open)
        poke(loop); /* it may be asleep, and would only end if it looked */
    pool__unlock(&loop->lock);
}

void pool__loop_abandon(struct pool__loop *loop)
{
    close_descriptors(loop);
}

/* ---- tasks ---- */

bool pool__loop_post(struct pool__loop *loop, struct pool__task *task)
{
    pool__lock(&loop->lock);
    bool open = loop->open;
    if (open)
        pool__list_append(&loop->arrivals, &task->link);
    /* Under the lock, because the descriptor is closed under it. */
    if (open && atomic_exchange(&loop->asleep, false))
        poke(loop);
    pool__unlock(&loop->lock);
    return open;
}

void pool__loop_poke(struct pool__loop *loop)
{
    pool__lock(&loop->lock);
    if (loop->open)
        poke(loop);
    pool__unlock(&loop->lock);
}

static struct pool__task *next_task(struct pool__loop *loop)
{
    pool__lock(&loop->lock);
    struct pool__link *link = pool__list_first(&loop->arrivals);
    if (link)
        pool__list_remove(link);
    pool__unlock(&loop->lock);
    return link ? POOL__ENTRY(link, struct pool__task, link) : NULL;
}

static int run_tasks(struct pool__loop *loop)
{
    int done = 0;
    struct pool__task *task;
    while (done < ROUND && (task = next_task(loop))) {
        task->run(task);
        done++;
    }
    return done;
}

bool pool__loop_is_open(struct pool__loop *loop)
{
    pool__lock(&loop->lock);
    bool open = loop->open;
    pool__unlock(&loop->lock);
    return open;
}

void pool__loop_stop(struct pool__loop *loop)
{
    pool__lock(&loop->lock);
    atomic_store(&loop->stop, true);
    if (loop->open)
        poke(loop);
    pool__unlock(&loop->lock);
}

/* It has been poked. Nobody gets in after it. */
static void wait_for_dispatcher(struct pool__loop *loop)
{
    while (atomic_exchange(&loop->busy, true))
        pool__sleep_until(pool__now_ns() + POOL__NS_PER_MS);
}

void pool__loop_close(struct pool__loop *loop)
{
    pool__loop_stop(loop);
    if (loop->threaded)
        pthread_join(loop->thread, NULL);
    loop->threaded = false;
    if (pool__loop_is_open(loop))
        wait_for_dispatcher(loop);
    pool__lock(&loop->lock);
    loop->open = false;
    close_descriptors(loop);
    pool__unlock(&loop->lock);
    while (run_tasks(loop)) /* no work is left, but what has come too late */
        ;
    pool__strands_free(&loop->strands);
    pool__timers_fini(&loop->alarms.timers);
}

bool pool__loop_reserve(struct pool__loop *loop, uint64_t count)
{
    return pool__timers_reserve(&loop->alarms.timers, count);
}

/* ---- rounds ---- */

static void on_event(struct pool__loop *loop, struct pool__event event)
{
    eventfd_t value;
    switch ((enum kind)event.kind) {
    case ON_POKE: eventfd_read(loop->event_fd, &value); break;
    case ON_TIMER: pool__alarms_went_off(&loop->alarms); break;
    case ON_CUT: pool__strands_cut(&loop->strands); break;
    case ON_STRAND: pool__strands_on_event(&loop->strands, event); break;
    }
}

static bool has_arrivals(struct pool__loop *loop)
{
    pool__lock(&loop->lock);
    bool some = !pool__list_empty(&loop->arrivals);
    pool__unlock(&loop->lock);
    return some;
}

static bool has_more(struct pool__loop *loop)
{
    return !pool__list_empty(&loop->strands.ready) || has_arrivals(loop);
}

static void sleep_until_event(struct pool__loop *loop, int timeout_ms)
{
    struct epoll_event events[POOL__EVENT_ROUND];
    pool__alarms_set_fd(&loop->alarms);
    atomic_store(&loop->asleep, true);
    if (has_more(loop)) {
        atomic_store(&loop->asleep, false);
        timeout_ms = 0;
    }
    int count = epoll_wait(loop->epoll_fd, events, POOL__EVENT_ROUND, timeout_ms);
    atomic_store(&loop->asleep, false);
    for (int i = 0; i < count; i++)
        on_event(loop, pool__event_unpack(events[i].data.u64));
}

/* The program may wait for the descriptor before it comes again. */
static void leave_to_program(struct pool__loop *loop)
{
    pool__alarms_set_fd(&loop->alarms);
    atomic_store(&loop->asleep, true);
    if (has_more(loop))
        poke(loop);
}

int pool__loop_dispatch(struct pool__loop *loop, int timeout_ms)
{
    if (atomic_exchange(&loop->busy, true))
        return -1;
    const struct pool__loop *outer = get_here();
    set_here(loop);
    sleep_until_event(loop, timeout_ms);
    int done = pool__alarms_ring(&loop->alarms, ROUND);
    done += pool__strands_run(&loop->strands);
    done += run_tasks(loop);
    if (loop->manual)
        leave_to_program(loop);
    set_here(outer);
    atomic_store(&loop->busy, false);
    return done;
}
