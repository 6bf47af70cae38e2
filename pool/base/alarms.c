/*
 * What is to be done at its time: a heap of timers, and a descriptor that goes off at the earliest.
 * One thread at a time.
 */
#include "base/alarms.h"

#include "base/list.h"
#include "base/sync.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

void pool__alarms_set(struct pool__alarms *alarms, struct pool__alarm *alarm, uint64_t at_ns)
{
    if (at_ns == POOL__FOREVER)
        pool__timer_clear(&alarms->timers, &alarm->timer);
    else
        pool__timer_set(&alarms->timers, &alarm->timer, at_ns);
}

void pool__alarms_clear(struct pool__alarms *alarms, struct pool__alarm *alarm)
{
    pool__timer_clear(&alarms->timers, &alarm->timer);
}

int pool__alarms_ring(struct pool__alarms *alarms, int most)
{
    int done = 0;
    if (!alarms->timers.count)
        return 0;
    uint64_t now = pool__now_ns();
    while (done < most && pool__timers_next_ns(&alarms->timers) <= now) {
        struct pool__timer *timer = pool__timers_first(&alarms->timers);
        pool__timer_clear(&alarms->timers, timer);
        struct pool__alarm *alarm = POOL__ENTRY(timer, struct pool__alarm, timer);
        alarm->ring(alarm);
        done++;
    }
    return done;
}

/* The descriptor may go off too early, for an alarm that has been cleared: that costs one
 * round for nothing, and not a system call for each alarm. */
void pool__alarms_set_fd(struct pool__alarms *alarms)
{
    uint64_t next = pool__timers_next_ns(&alarms->timers);
    if (next >= alarms->fd_ns)
        return;
    alarms->fd_ns = next;
    struct itimerspec when = {.it_value = pool__timespec(next | 1)}; /* zero would clear it */
    timerfd_settime(alarms->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void pool__alarms_went_off(struct pool__alarms *alarms)
{
    uint64_t times;
    if (read(alarms->fd, &times, sizeof times) > 0)
        alarms->fd_ns = POOL__FOREVER;
}
