/*
 * Dates and times: what their parts may be, and how they are written. No locks, no memory.
 * threads: any.
 */
#ifndef POOL_SQL_CALENDAR_H
#define POOL_SQL_CALENDAR_H

#include "mypool.h"

#define POOL__CALENDAR_SIZE 96 /* of a text, whatever the parts are */
#define POOL__ANY_FRACTION 7   /* and more: six digits of the second, or none if they are zero */

/* DATE, TIME or DATETIME. */
static inline bool pool__calendar_is_type(unsigned type)
{
    return type == POOL_TYPE_DATE || type == POOL_TYPE_TIME || type == POOL_TYPE_DATETIME;
}

/* The date is one that a server may store: zeros, and a 31st of each month, among them. */
static inline bool pool__calendar_has_date(const struct pool_time *time)
{
    return time->year <= 9999 && time->month <= 12 && time->day <= 31;
}

/* The hour is one of a day, or of a TIME, which may last longer. */
static inline bool pool__calendar_has_hour(const struct pool_time *time)
{
    return time->hour <= (time->type == POOL_TYPE_TIME ? 838u : 23u);
}

/* The same for the hour and everything behind it. */
static inline bool pool__calendar_has_clock(const struct pool_time *time)
{
    return pool__calendar_has_hour(time) && time->minute <= 59 && time->second <= 59 &&
           time->microsecond <= 999999;
}

/* False for a zero in the date, or the 30th of February. */
bool pool__calendar_is_day(const struct pool_time *time);

/* As the server writes it, with so many digits of the second. Returns the length. */
size_t pool__calendar_text(const struct pool_time *time, unsigned decimals,
                           char text[POOL__CALENDAR_SIZE]);

#endif
