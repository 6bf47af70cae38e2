/*
 * What is to be done at its time. See alarms.c.
 */
#ifndef POOL_BASE_ALARMS_H
#define POOL_BASE_ALARMS_H

#include "base/timers.h"

#include <stdint.h>

struct pool__alarm {
    struct pool__timer timer;
    void (*ring)(struct pool__alarm *alarm);
};

struct pool__alarms {
    struct pool__timers timers;
    int fd;         /* a timerfd, of whoever owns this */
    uint64_t fd_ns; /* what it is set to */
};

/* Sets the alarm, for which room was reserved in the timers. POOL__FOREVER: it is cleared. */
void pool__alarms_set(struct pool__alarms *alarms, struct pool__alarm *alarm, uint64_t at_ns);
void pool__alarms_clear(struct pool__alarms *alarms, struct pool__alarm *alarm);

/* Rings the alarms whose time has come, `most` of them at most; returns how many. */
int pool__alarms_ring(struct pool__alarms *alarms, int most);

/* To be called before somebody waits for the descriptor; and when the descriptor has gone off. */
void pool__alarms_set_fd(struct pool__alarms *alarms);
void pool__alarms_went_off(struct pool__alarms *alarms);

#endif
