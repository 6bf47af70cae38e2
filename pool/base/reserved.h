/*
 * The words at the end of public structs from which later fields will be taken. See reserved.c.
 */
#ifndef POOL_BASE_RESERVED_H
#define POOL_BASE_RESERVED_H

#include "mypool.h"

#include <stddef.h>

/* Whether the `size` bytes of them are zero; if not, the error speaks of `what`, "the request"
 * for one. Any thread. */
bool pool__reserved_check(const void *words, size_t size, const char *what, struct pool_error *err);

#endif
