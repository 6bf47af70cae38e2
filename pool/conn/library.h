/*
 * libmariadb as a whole. See library.c.
 */
#ifndef POOL_CONN_LIBRARY_H
#define POOL_CONN_LIBRARY_H

#include "mypool.h"

#include <stddef.h>

/* Once per process. */
void pool__library_start(void);

/* False with POOL_ERR_UNSUPPORTED if it is too old. */
bool pool__library_check(struct pool_error *err);

/* Whether it is an old one, and what there is to say then. */
bool pool__library_warns(char *ret_text, size_t size);

#endif
