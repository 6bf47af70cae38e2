/*
 * What an option may be, and what it is if nothing is said. See option_check.c.
 */
#ifndef POOL_CONFIG_OPTION_CHECK_H
#define POOL_CONFIG_OPTION_CHECK_H

#include "mypool.h"

/* Fills in the defaults, and refuses what cannot be. */
bool pool__option_check(struct pool_options *v, struct pool_error *err);

/* Is this a plain host name, an IPv4 or an IPv6 address (brackets allowed)?
 * libmariadb gives other characters a meaning of its own: `;` and `=` set any
 * option, `,` makes a list, `://` loads a plugin. */
bool pool__option_check_host(const char *host);

/* Refuses an environment that makes libmariadb load code of the caller's choice
 * into a set-uid program. `secure` is what getauxval(AT_SECURE) says. */
bool pool__option_check_environment(bool secure, struct pool_error *err);

#endif
