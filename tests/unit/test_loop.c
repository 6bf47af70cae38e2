/*
 * The parts that calls with callbacks are made of, without a server: the heap of deadlines,
 * fibers, and the loop with its tasks, alarms and fibers that wait for pipes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/loop.h"
#include "waiting.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TIMERS 1000u
#define MS POOL__NS_PER_MS

/* ---- deadlines ---- */

static uint64_t mixed(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void fill_timers(struct pool__timers *timers, struct pool__timer *all, uint64_t seed)
{
    memset(all, 0, TIMERS * sizeof *all);
    assert_true(pool__timers_reserve(timers, TIMERS));
    for (unsigned i = 0; i < TIMERS; i++)
        pool__timer_set(timers, &all[i], mixed(&seed) % 500);
}

/* Takes them off one by one; returns how many there were. */
static unsigned drain_in_order(struct pool__timers *timers)
{
    uint64_t last = 0;
    unsigned count = 0;
    struct pool__timer *first;
    while ((first = pool__timers_first(timers))) {
        assert_true(first->at_ns >= last);
        assert_true(pool__timers_next_ns(timers) == first->at_ns);
        last = first->at_ns;
        pool__timer_clear(timers, first);
        assert_int_equal(first->place, 0);
        count++;
    }
    assert_true(pool__timers_next_ns(timers) == UINT64_MAX);
    return count;
}

static void timers_come_in_order(void **state)
{
    (void)state;
    static struct pool__timer all[TIMERS];
    struct pool__timers timers = {0};
    fill_timers(&timers, all, 1);
    assert_int_equal(drain_in_order(&timers), TIMERS);
    pool__timers_fini(&timers);
}

static void timers_may_be_moved_and_cleared(void **state)
{
    (void)state;
    static struct pool__timer all[TIMERS];
    struct pool__timers timers = {0};
    uint64_t seed = 2;
    unsigned cleared = 0;
    fill_timers(&timers, all, 3);
    for (unsigned i = 0; i < TIMERS; i++) {
        if (i % 3 == 0)
            pool__timer_set(&timers, &all[mixed(&seed) % TIMERS], mixed(&seed) % 500);
        if (i % 3 == 1 && all[i].place) {
            pool__timer_clear(&timers, &all[i]);
            pool__timer_clear(&timers, &all[i]); /* once more is nothing */
            cleared++;
        }
    }
    for (unsigned i = 1; i < TIMERS; i += 3) /* those that were set again */
        cleared -= all[i].place != 0;
    assert_int_equal(drain_in_order(&timers), TIMERS - cleared);
    pool__timers_fini(&timers);
}

static void room_for_timers_grows_and_keeps_them(void **state)
{
    (void)state;
    struct pool__timer few[3] = {{0}};
    struct pool__timers timers = {0};
    assert_true(pool__timers_reserve(&timers, 3));
    for (unsigned i = 0; i < 3; i++)
        pool__timer_set(&timers, &few[i], 3 - i);
    assert_true(pool__timers_reserve(&timers, 100000));
    assert_ptr_equal(pool__timers_first(&timers), &few[2]);
    assert_int_equal(drain_in_order(&timers), 3);
    pool__timers_fini(&timers);
}

/* ---- fibers ---- */

struct counting {
    struct pool__fiber *fiber;
    unsigned count, yields;
    struct pool__fiber *inside;
};

static void count_and_yield(void *arg)
{
    struct counting *counting = arg;
    volatile char stack[20000]; /* of its own */
    memset((char *)stack, 1, sizeof stack);
    counting->inside = pool__fiber_current();
    for (unsigned i = 0; i < counting->yields; i++) {
        counting->count += (unsigned)stack[i];
        pool__fiber_yield(counting->fiber);
    }
}

static void a_fiber_goes_on_where_it_yielded(void **state)
{
    (void)state;
    struct counting counting = {.yields = 3};
    counting.fiber = pool__fiber_new(NULL, &counting);
    assert_non_null(counting.fiber);
    assert_ptr_equal(pool__fiber_owner(counting.fiber), &counting);
    assert_false(pool__fiber_start(counting.fiber, count_and_yield, &counting));
    assert_null(pool__fiber_current());
    assert_int_equal(counting.count, 1);
    assert_false(pool__fiber_resume(counting.fiber));
    assert_false(pool__fiber_resume(counting.fiber));
    assert_true(pool__fiber_resume(counting.fiber));
    assert_int_equal(counting.count, 3);
    assert_ptr_equal(counting.inside, counting.fiber);
    pool__fiber_free(counting.fiber);
    pool__fiber_free(NULL);
}

static void a_fiber_is_used_again(void **state)
{
    (void)state;
    struct counting counting = {.yields = 1};
    counting.fiber = pool__fiber_new(NULL, &counting);
    assert_non_null(counting.fiber);
    for (unsigned i = 1; i <= 1000; i++) {
        assert_false(pool__fiber_start(counting.fiber, count_and_yield, &counting));
        assert_true(pool__fiber_resume(counting.fiber));
        assert_int_equal(counting.count, i);
    }
    pool__fiber_free(counting.fiber);
}

static void *resume_elsewhere(void *arg)
{
    struct counting *counting = arg;
    pool__fiber_resume(counting->fiber);
    return NULL;
}

static void a_fiber_goes_on_on_another_thread(void **state)
{
    (void)state;
    struct counting counting = {.yields = 50};
    counting.fiber = pool__fiber_new(NULL, &counting);
    assert_non_null(counting.fiber);
    assert_false(pool__fiber_start(counting.fiber, count_and_yield, &counting));
    for (int i = 0; i < 49; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, resume_elsewhere, &counting), 0);
        pthread_join(thread, NULL);
    }
    assert_int_equal(counting.count, 50);
    assert_true(pool__fiber_resume(counting.fiber));
    pool__fiber_free(counting.fiber);
}

static void fibers_take_turns(void **state)
{
    (void)state;
    struct counting all[20];
    for (unsigned i = 0; i < 20; i++) {
        all[i] = (struct counting){.yields = 5};
        all[i].fiber = pool__fiber_new(NULL, &all[i]);
        assert_non_null(all[i].fiber);
        assert_false(pool__fiber_start(all[i].fiber, count_and_yield, &all[i]));
    }
    for (unsigned turn = 1; turn <= 5; turn++)
        for (unsigned i = 0; i < 20; i++) {
            assert_int_equal(all[i].count, turn);
            assert_true(pool__fiber_resume(all[i].fiber) == (turn == 5));
        }
    for (unsigned i = 0; i < 20; i++)
        pool__fiber_free(all[i].fiber);
}

/* ---- the loop ---- */

static struct pool__loop loop;
static int cut_fd;

static int begin_loop(void **state)
{
    (void)state;
    cut_fd = eventfd(0, EFD_CLOEXEC);
    pool__loop_init(&loop, 4, true);
    loop.cut_fd = cut_fd;
    return cut_fd >= 0 && pool__loop_open(&loop) ? 0 : -1;
}

static int end_loop(void **state)
{
    (void)state;
    pool__loop_close(&loop);
    close(cut_fd);
    return 0;
}

static bool readable(void)
{
    struct pollfd fd = {.fd = loop.epoll_fd, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

struct job {
    struct pool__task task;
    unsigned runs;
    bool here;
    unsigned more; /* posts itself again so often */
};

static void run_job(struct pool__task *task)
{
    struct job *job = POOL__ENTRY(task, struct job, task);
    job->runs++;
    job->here = pool__loop_is_here(&loop);
    if (job->more-- > 0)
        pool__loop_post(&loop, task);
}

static void a_task_runs_once_and_inside_dispatch(void **state)
{
    (void)state;
    struct job job = {.task.run = run_job};
    assert_false(readable());
    assert_true(pool__loop_post(&loop, &job.task));
    assert_true(readable());
    assert_int_equal(job.runs, 0);
    assert_true(pool__loop_dispatch(&loop, -1) > 0);
    assert_int_equal(job.runs, 1);
    assert_true(job.here);
    assert_false(pool__loop_is_here(&loop));
    assert_int_equal(pool__loop_dispatch(&loop, 0), 0);
    assert_false(readable());
}

static void a_task_that_comes_again_does_not_keep_dispatch_busy(void **state)
{
    (void)state;
    struct job job = {.task.run = run_job, .more = 100000};
    unsigned rounds = 0;
    while (job.runs <= 100000) {
        assert_true(pool__loop_dispatch(&loop, 0) < 1000);
        assert_true(job.runs == 0 || job.runs > 100000 || readable());
        rounds++;
        if (job.runs == 0)
            assert_true(pool__loop_post(&loop, &job.task));
    }
    assert_in_range(rounds, 100, 100000);
}

struct ringing {
    struct pool__alarm alarm;
    unsigned rings;
    uint64_t at_ns;
};

static void ring(struct pool__alarm *alarm)
{
    struct ringing *ringing = POOL__ENTRY(alarm, struct ringing, alarm);
    ringing->rings++;
    ringing->at_ns = pool__now_ns();
}

static void an_alarm_rings_once_and_never_early(void **state)
{
    (void)state;
    struct ringing ringing = {.alarm.ring = ring};
    uint64_t due_ns = pool__now_ns() + 30 * MS;
    assert_true(pool__loop_reserve(&loop, 1));
    pool__alarms_set(&loop.alarms, &ringing.alarm, due_ns);
    assert_within(GENEROUS, (pool__loop_dispatch(&loop, -1), ringing.rings));
    assert_true(ringing.at_ns >= due_ns);
    assert_int_equal(pool__loop_dispatch(&loop, 0), 0);
    assert_int_equal(ringing.rings, 1);
}

static void an_alarm_that_was_cleared_or_put_off_does_not_ring(void **state)
{
    (void)state;
    struct ringing cleared = {.alarm.ring = ring}, put_off = cleared, last = cleared;
    uint64_t now = pool__now_ns();
    assert_true(pool__loop_reserve(&loop, 3));
    pool__alarms_set(&loop.alarms, &cleared.alarm, now + MS);
    pool__alarms_set(&loop.alarms, &put_off.alarm, now + MS);
    pool__alarms_set(&loop.alarms, &last.alarm, now + 40 * MS);
    pool__alarms_clear(&loop.alarms, &cleared.alarm);
    pool__alarms_set(&loop.alarms, &put_off.alarm, POOL__FOREVER);
    assert_within(GENEROUS, (pool__loop_dispatch(&loop, -1), last.rings));
    assert_int_equal(cleared.rings, 0);
    assert_int_equal(put_off.rings, 0);
}

/* A fiber that waits for a pipe. */
struct reading {
    int fds[2];
    uint64_t deadline_ns;
    enum pool__wake wake;
    bool done, over;
};

static void await_pipe(void *arg)
{
    struct reading *reading = arg;
    reading->wake =
        pool__fiber_await(pool__fiber_current(), reading->fds[0], true, reading->deadline_ns);
    reading->done = true;
}

static void after_pipe(void *arg)
{
    struct reading *reading = arg;
    reading->over = !pool__fiber_current();
}

static void start_reading(struct reading *reading, uint64_t deadline_ns)
{
    *reading = (struct reading){.deadline_ns = deadline_ns};
    assert_int_equal(pipe(reading->fds), 0);
    assert_true(pool__loop_reserve(&loop, 8));
    assert_true(pool__strands_start(&loop.strands, await_pipe, after_pipe, reading));
}

static void finish_reading(struct reading *reading, enum pool__wake wake)
{
    while (!reading->over)
        assert_true(pool__loop_dispatch(&loop, GENEROUS) > 0);
    assert_true(reading->done);
    assert_int_equal(reading->wake, wake);
    close(reading->fds[0]);
    close(reading->fds[1]);
}

static void a_fiber_waits_for_its_descriptor(void **state)
{
    (void)state;
    struct reading reading;
    start_reading(&reading, POOL__FOREVER);
    assert_int_equal(pool__loop_dispatch(&loop, 0), 0);
    assert_false(reading.done);
    assert_int_equal(write(reading.fds[1], "x", 1), 1);
    assert_true(readable());
    finish_reading(&reading, POOL__WAKE_READY);
}

static void a_fiber_waits_until_its_deadline(void **state)
{
    (void)state;
    struct reading reading;
    uint64_t due_ns = pool__now_ns() + 30 * MS;
    start_reading(&reading, due_ns);
    finish_reading(&reading, POOL__WAKE_LATE);
    assert_true(pool__now_ns() >= due_ns);
}

static void the_cut_wakes_all_fibers(void **state)
{
    (void)state;
    struct reading all[3], late;
    for (unsigned i = 0; i < 3; i++)
        start_reading(&all[i], POOL__FOREVER);
    assert_int_equal(eventfd_write(cut_fd, 1), 0);
    for (unsigned i = 0; i < 3; i++)
        finish_reading(&all[i], POOL__WAKE_CUT);
    start_reading(&late, POOL__FOREVER); /* does not even wait */
    finish_reading(&late, POOL__WAKE_CUT);
}

static void there_are_as_many_fibers_as_were_allowed(void **state)
{
    (void)state;
    struct reading all[4], none = {.done = false};
    for (unsigned i = 0; i < 4; i++)
        start_reading(&all[i], POOL__FOREVER);
    assert_false(pool__strands_start(&loop.strands, await_pipe, after_pipe, &none));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(write(all[i].fds[1], "x", 1), 1);
    for (unsigned i = 0; i < 4; i++)
        finish_reading(&all[i], POOL__WAKE_READY);
    start_reading(&none, 1);
    finish_reading(&none, POOL__WAKE_LATE);
}

/* The event of the first wait is there when the second has begun. */
static void a_late_event_does_not_wake_the_next_wait(void **state)
{
    (void)state;
    struct reading first, second;
    start_reading(&first, pool__now_ns() + MS);
    finish_reading(&first, POOL__WAKE_LATE);
    start_reading(&first, pool__now_ns() + 5 * MS);
    int kept = dup(first.fds[0]); /* as for a connection whose end is awaited */
    int other = dup(first.fds[1]);
    finish_reading(&first, POOL__WAKE_LATE);
    start_reading(&second, POOL__FOREVER);
    assert_int_equal(write(other, "x", 1), 1);
    for (int i = 0; i < 5; i++)
        pool__loop_dispatch(&loop, 0);
    assert_false(second.done);
    assert_int_equal(write(second.fds[1], "x", 1), 1);
    finish_reading(&second, POOL__WAKE_READY);
    close(kept);
    close(other);
}

static void a_loop_that_is_stopped_accepts_nothing(void **state)
{
    (void)state;
    struct job job = {.task.run = run_job};
    assert_true(pool__loop_accept(&loop));
    pool__loop_done(&loop);
    pool__loop_stop(&loop);
    assert_false(pool__loop_accept(&loop));
    pool__loop_close(&loop);
    assert_false(pool__loop_is_open(&loop));
    assert_false(pool__loop_open(&loop));
    assert_false(pool__loop_post(&loop, &job.task));
    assert_int_equal(pool__loop_dispatch(&loop, 0), -1);
}

/* Many threads post while the loop sleeps and wakes: nothing is left lying. */
struct poster {
    pthread_t thread;
    struct job jobs[500];
};

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < 500; i++)
        pool__loop_post(&loop, &poster->jobs[i].task);
    return NULL;
}

static void no_poke_is_lost(void **state)
{
    (void)state;
    static struct poster posters[4];
    int done = 0;
    for (int p = 0; p < 4; p++) {
        for (unsigned i = 0; i < 500; i++)
            posters[p].jobs[i] = (struct job){.task.run = run_job};
        assert_int_equal(pthread_create(&posters[p].thread, NULL, post_all, &posters[p]), 0);
    }
    uint64_t until = now_ms() + GENEROUS;
    while (done < 2000 && now_ms() < until)
        done += pool__loop_dispatch(&loop, GENEROUS);
    for (int p = 0; p < 4; p++)
        pthread_join(posters[p].thread, NULL);
    assert_int_equal(done, 2000);
    assert_true(now_ms() < until);
}

static int begin_threaded(void **state)
{
    (void)state;
    cut_fd = eventfd(0, EFD_CLOEXEC);
    pool__loop_init(&loop, 4, false);
    loop.cut_fd = cut_fd;
    return cut_fd >= 0 && pool__loop_open(&loop) ? 0 : -1;
}

struct counted {
    struct job job;
    _Atomic unsigned *count;
};

static void run_counted(struct pool__task *task)
{
    struct counted *counted = POOL__ENTRY(task, struct counted, job.task);
    atomic_fetch_add(counted->count, 1);
    pool__loop_done(&loop);
}

static void a_thread_of_its_own_ends_when_the_work_is_done(void **state)
{
    (void)state;
    static struct counted all[1000];
    _Atomic unsigned count = 0;
    for (unsigned i = 0; i < 1000; i++) {
        all[i] = (struct counted){.job.task.run = run_counted, .count = &count};
        assert_true(pool__loop_accept(&loop));
        assert_true(pool__loop_post(&loop, &all[i].job.task));
    }
    pool__loop_close(&loop);
    assert_int_equal(atomic_load(&count), 1000);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, begin_loop, end_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_in_order),
        cmocka_unit_test(timers_may_be_moved_and_cleared),
        cmocka_unit_test(room_for_timers_grows_and_keeps_them),
        cmocka_unit_test(a_fiber_goes_on_where_it_yielded),
        cmocka_unit_test(a_fiber_is_used_again),
        cmocka_unit_test(a_fiber_goes_on_on_another_thread),
        cmocka_unit_test(fibers_take_turns),
        LOOP_TEST(a_task_runs_once_and_inside_dispatch),
        LOOP_TEST(a_task_that_comes_again_does_not_keep_dispatch_busy),
        LOOP_TEST(an_alarm_rings_once_and_never_early),
        LOOP_TEST(an_alarm_that_was_cleared_or_put_off_does_not_ring),
        LOOP_TEST(a_fiber_waits_for_its_descriptor),
        LOOP_TEST(a_fiber_waits_until_its_deadline),
        LOOP_TEST(the_cut_wakes_all_fibers),
        LOOP_TEST(there_are_as_many_fibers_as_were_allowed),
        LOOP_TEST(a_late_event_does_not_wake_the_next_wait),
        LOOP_TEST(a_loop_that_is_stopped_accepts_nothing),
        LOOP_TEST(no_poke_is_lost),
        cmocka_unit_test_setup_teardown(a_thread_of_its_own_ends_when_the_work_is_done,
                                        begin_threaded, end_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
