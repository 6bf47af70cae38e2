/*
 * The hash of a text. See hash.c.
 */
#ifndef POOL_SQL_HASH_H
#define POOL_SQL_HASH_H

#include <stddef.h>
#include <stdint.h>

/* threads: any. */
uint64_t pool__hash_text(const char *text, size_t len);

#endif
