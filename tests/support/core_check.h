/*
 * The invariants of the core. Each function returns what is wrong, or NULL.
 *
 * core_check holds whenever nobody has the lock; the caller sees to that. The core at rest,
 * with nobody inside any of its functions, has to keep core_check_at_rest as well.
 */
#ifndef TESTS_CORE_CHECK_H
#define TESTS_CORE_CHECK_H

#include "core/core.h"

const char *core_check(const struct pool__core *core);
const char *core_check_at_rest(const struct pool__core *core);

#endif
