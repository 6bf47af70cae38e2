/*
 * What the options for sessions may be. See setup_check.c.
 */
#ifndef POOL_CONFIG_SETUP_CHECK_H
#define POOL_CONFIG_SETUP_CHECK_H

#include "mypool.h"

/* Names, values and their combination, as far as they can be judged without a server.
 * Expects the texts of `v` within their limits. Any thread. */
bool pool__setup_check(const struct pool_options *v, struct pool_error *err);

/* Of a session variable: the name before the '=', or all of the text. */
size_t pool__setup_check_name_length(const char *variable);
/* Whether the variable is the business of another option that is set. */
bool pool__setup_check_is_option(const struct pool_options *v, const char *variable);
bool pool__setup_check_same_variable(const char *a, const char *b);

#endif
