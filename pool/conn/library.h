/*
 * libmariadb as a whole. See library.c.
 */
#ifndef POOL_CONN_LIBRARY_H
#define POOL_CONN_LIBRARY_H

#include "mypool.h"

#include <stddef.h>

/* Starts libmariadb, once per process. */
void pool__library_start(void);

/* False with POOL_ERR_UNSUPPORTED if libmariadb is too old. */
bool pool__library_check(struct pool_error *err);

/* Whether libmariadb is an old one, and what there is to say of that. */
bool pool__library_warns(char *ret_text, size_t size);

#endif
