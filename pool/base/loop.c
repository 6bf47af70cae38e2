/*
 * How the loop sleeps, and how it shares its time.
 *
 * Sockets are armed for one event at a time (EPOLLONESHOT), by the fiber that waits: so a
 * connection that a blocking caller uses never wakes the loop, and a late event is known by
 * its serial. Descriptors are not taken out again: what is not armed is silent, and leaves
 * epoll with its socket.
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

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define ROUND 256 /* tasks, and alarms, in one round */
#define EVENTS 64

enum tag { TAG_EVENT, TAG_TIMER, TAG_CUT, TAG_STRAND };

struct pool__strand {
    struct pool__link link; /* in waiting, ready or spare */
    struct pool__loop *loop;
    struct pool__fiber *fiber;
    struct pool__alarm alarm;
    unsigned number;
    uint32_t serial; /* of its present wait */
    bool is_waiting;
    enum pool__wake wake;
    void (*after)(void *arg);
    void *arg;
};

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
    pool__list_init(&loop->waiting);
    pool__list_init(&loop->ready);
    pool__list_init(&loop->spare);
    atomic_store(&loop->asleep, true);
    loop->strand_limit = strand_limit;
    loop->cut_fd = -1;
    loop->manual = manual;
    loop->epoll_fd = loop->event_fd = loop->timer_fd = -1;
    loop->timer_fd_ns = POOL__FOREVER;
}

/* ---- opening and closing ---- */

static bool watch(struct pool__loop *loop, int fd, enum tag tag, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = tag};
    return fd >= 0 && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool open_descriptors(struct pool__loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return loop->epoll_fd >= 0 && watch(loop, loop->event_fd, TAG_EVENT, EPOLLIN) &&
           watch(loop, loop->timer_fd, TAG_TIMER, EPOLLIN) &&
           watch(loop, loop->cut_fd, TAG_CUT, EPOLLIN | EPOLLONESHOT);
}

static void close_descriptors(struct pool__loop *loop)
{
    int *fds[] = {&loop->epoll_fd, &loop->event_fd, &loop->timer_fd};
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

static void free_strands(struct pool__loop *loop)
{
    for (unsigned i = 0; i < loop->strand_count; i++) {
        pool__fiber_free(loop->strands[i]->fiber);
        free(loop->strands[i]);
    }
    free(loop->strands);
    loop->strands = NULL;
    loop->strand_count = 0;
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
    _Atomic uint32_t never = 0;
    while (atomic_exchange(&loop->busy, true))
        pool__park(&never, 0, pool__now_ns() + POOL__NS_PER_MS);
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
    free_strands(loop);
    pool__timers_fini(&loop->timers);
}

/* ---- alarms ---- */

bool pool__loop_reserve(struct pool__loop *loop, uint64_t count)
{
    return pool__timers_reserve(&loop->timers, count);
}

void pool__alarm_set(struct pool__loop *loop, struct pool__alarm *alarm, uint64_t at_ns)
{
    if (at_ns == POOL__FOREVER)
        pool__timer_clear(&loop->timers, &alarm->timer);
    else
        pool__timer_set(&loop->timers, &alarm->timer, at_ns);
}

void pool__alarm_clear(struct pool__loop *loop, struct pool__alarm *alarm)
{
    pool__timer_clear(&loop->timers, &alarm->timer);
}

static int ring_alarms(struct pool__loop *loop)
{
    int done = 0;
    if (!loop->timers.count)
        return 0;
    uint64_t now = pool__now_ns();
    while (done < ROUND && pool__timers_next_ns(&loop->timers) <= now) {
        struct pool__timer *timer = pool__timers_first(&loop->timers);
        pool__timer_clear(&loop->timers, timer);
        struct pool__alarm *alarm = POOL__ENTRY(timer, struct pool__alarm, timer);
        alarm->ring(alarm);
        done++;
    }
    return done;
}

/* The descriptor may go off too early, for an alarm that has been cleared: that costs one
 * round for nothing, and not a system call for each alarm. */
static void set_timer_fd(struct pool__loop *loop)
{
    uint64_t next = pool__timers_next_ns(&loop->timers);
    if (next >= loop->timer_fd_ns)
        return;
    loop->timer_fd_ns = next;
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(next / UINT64_C(1000000000)),
                                           .tv_nsec = (long)(next % UINT64_C(1000000000)) | 1}};
    timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void timer_went_off(struct pool__loop *loop)
{
    uint64_t times;
    if (read(loop->timer_fd, &times, sizeof times) > 0)
        loop->timer_fd_ns = POOL__FOREVER;
}

/* ---- fibers ---- */

static void wake(struct pool__strand *strand, enum pool__wake how)
{
    if (!strand->is_waiting)
        return;
    strand->is_waiting = false;
    strand->wake = how;
    pool__alarm_clear(strand->loop, &strand->alarm);
    pool__list_remove(&strand->link);
    pool__list_append(&strand->loop->ready, &strand->link);
}

static void ring_strand(struct pool__alarm *alarm)
{
    wake(POOL__ENTRY(alarm, struct pool__strand, alarm), POOL__WAKE_LATE);
}

static bool arm(struct pool__strand *strand, int fd, bool for_read)
{
    struct epoll_event event = {
        .events = (for_read ? EPOLLIN : EPOLLOUT) | EPOLLONESHOT,
        .data.u64 = (uint64_t)strand->serial << 32 | (uint64_t)strand->number << 2 | TAG_STRAND,
    };
    int epoll_fd = strand->loop->epoll_fd;
    return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0 ||
           (errno == ENOENT && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
}

static enum pool__wake await(struct pool__fiber *fiber, int fd, bool for_read, uint64_t deadline_ns)
{
    struct pool__strand *strand = pool__fiber_owner(fiber);
    struct pool__loop *loop = strand->loop;
    if (loop->cut)
        return POOL__WAKE_CUT;
    if (fd < 0 && deadline_ns == 0) { /* others first */
        strand->wake = POOL__WAKE_LATE;
        pool__list_append(&loop->ready, &strand->link);
        pool__fiber_yield(fiber);
        return strand->wake;
    }
    strand->serial++;
    if (fd >= 0 && !arm(strand, fd, for_read))
        return POOL__WAKE_READY; /* using it will tell what is wrong with it */
    strand->is_waiting = true;
    pool__list_append(&loop->waiting, &strand->link);
    pool__alarm_set(loop, &strand->alarm, deadline_ns);
    pool__fiber_yield(fiber);
    return strand->wake;
}

static struct pool__strand *make_strand(struct pool__loop *loop)
{
    if (!loop->strands)
        loop->strands = calloc(loop->strand_limit, sizeof(struct pool__strand *));
    if (!loop->strands || loop->strand_count == loop->strand_limit)
        return NULL;
    struct pool__strand *strand = calloc(1, sizeof *strand);
    if (!strand)
        return NULL;
    strand->loop = loop;
    strand->alarm.ring = ring_strand;
    strand->fiber = pool__fiber_new(await, strand);
    if (!strand->fiber) {
        free(strand);
        return NULL;
    }
    strand->number = loop->strand_count;
    loop->strands[loop->strand_count++] = strand;
    return strand;
}

static void finish(struct pool__strand *strand)
{
    void (*after)(void *) = strand->after;
    pool__list_append(&strand->loop->spare, &strand->link);
    after(strand->arg);
}

bool pool__loop_start(struct pool__loop *loop, void (*run)(void *arg), void (*after)(void *arg),
                      void *arg)
{
    struct pool__link *link = pool__list_first(&loop->spare);
    struct pool__strand *strand =
        link ? POOL__ENTRY(link, struct pool__strand, link) : make_strand(loop);
    if (!strand)
        return false;
    if (link)
        pool__list_remove(link);
    strand->after = after;
    strand->arg = arg;
    if (pool__fiber_start(strand->fiber, run, arg))
        finish(strand);
    return true;
}

void pool__loop_wake(struct pool__loop *loop, struct pool__fiber *fiber)
{
    (void)loop;
    wake(pool__fiber_owner(fiber), POOL__WAKE_READY);
}

static int run_ready(struct pool__loop *loop)
{
    int done = 0;
    struct pool__link *link;
    /* Those that become ready again have their turn in the next round. */
    unsigned most = loop->strand_count;
    while (most-- > 0 && (link = pool__list_first(&loop->ready))) {
        struct pool__strand *strand = POOL__ENTRY(link, struct pool__strand, link);
        pool__list_remove(link);
        if (pool__fiber_resume(strand->fiber))
            finish(strand);
        done++;
    }
    return done;
}

static void cut_all(struct pool__loop *loop)
{
    struct pool__link *link;
    loop->cut = true;
    while ((link = pool__list_first(&loop->waiting)))
        wake(POOL__ENTRY(link, struct pool__strand, link), POOL__WAKE_CUT);
}

/* ---- rounds ---- */

static void on_event(struct pool__loop *loop, uint64_t data)
{
    eventfd_t value;
    switch ((enum tag)(data & 3)) {
    case TAG_EVENT: eventfd_read(loop->event_fd, &value); break;
    case TAG_TIMER: timer_went_off(loop); break;
    case TAG_CUT: cut_all(loop); break;
    case TAG_STRAND: {
        struct pool__strand *strand = loop->strands[(data & 0xffffffff) >> 2];
        if (strand->serial == (uint32_t)(data >> 32))
            wake(strand, POOL__WAKE_READY);
        break;
    }
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
    return !pool__list_empty(&loop->ready) || has_arrivals(loop);
}

static void sleep_until_event(struct pool__loop *loop, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    set_timer_fd(loop);
    atomic_store(&loop->asleep, true);
    if (has_more(loop)) {
        atomic_store(&loop->asleep, false);
        timeout_ms = 0;
    }
    int count = epoll_wait(loop->epoll_fd, events, EVENTS, timeout_ms);
    atomic_store(&loop->asleep, false);
    for (int i = 0; i < count; i++)
        on_event(loop, events[i].data.u64);
}

/* The program may wait for the descriptor before it comes again. */
static void leave_to_program(struct pool__loop *loop)
{
    set_timer_fd(loop);
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
    int done = ring_alarms(loop);
    done += run_ready(loop);
    done += run_tasks(loop);
    if (loop->manual)
        leave_to_program(loop);
    set_here(outer);
    atomic_store(&loop->busy, false);
    return done;
}
