/*
 * Dates and times as a server writes them, into results and, in quotes, as literals. Which of
 * the parts count is said by the type of the time.
 */
#include "sql/calendar.h"

#include <stdio.h>

bool pool__calendar_is_day(const struct pool_time *time)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = time->year % 4 == 0 && (time->year % 100 != 0 || time->year % 400 == 0);
    if (time->year == 0 || time->month == 0 || time->day == 0)
        return false;
    return time->day <= days[time->month - 1] + (unsigned)(leap && time->month == 2);
}

size_t pool__calendar_text(const struct pool_time *time, unsigned decimals,
                           char text[POOL__CALENDAR_SIZE])
{
    int len = 0;
    if (time->type != POOL_TYPE_TIME)
        len = snprintf(text, POOL__CALENDAR_SIZE, "%04u-%02u-%02u%s", time->year, time->month,
                       time->day, time->type == POOL_TYPE_DATE ? "" : " ");
    if (time->type == POOL_TYPE_DATE)
        return (size_t)len;
    len += snprintf(text + len, POOL__CALENDAR_SIZE - (size_t)len, "%s%02u:%02u:%02u.%06u",
                    time->negative ? "-" : "", time->hour, time->minute, time->second,
                    time->microsecond);
    int digits = (int)decimals;
    if (digits > 6)
        digits = time->microsecond > 0 ? 6 : 0;
    len -= digits > 0 ? 6 - digits : 7; /* without digits the point goes too */
    text[len] = '\0';
    return (size_t)len;
}
