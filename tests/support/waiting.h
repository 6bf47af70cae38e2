/*
 * Time, and waiting for something with a deadline, for tests that must not sleep and hope.
 */
#ifndef TESTS_WAITING_H
#define TESTS_WAITING_H

#include "clock.h"

#define GENEROUS 30000 /* ms until something must have happened */
#define LATE 4000      /* ms; later than this something was waited for */

#endif
