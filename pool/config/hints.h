/*
 * What other drivers and pools call our options.
 */
#ifndef POOL_CONFIG_HINTS_H
#define POOL_CONFIG_HINTS_H

#include <stdbool.h>
#include <stddef.h>

struct pool__hint {
    const char *alias; /* lower case, without '_' and '-' */
    const char *text;  /* "'ourName'", or a sentence in which our names are in quotes */
};

/* NULL if nobody is known to call anything that. Case, '_' and '-' do not matter. Any thread. */
const char *pool__hints_for(const char *name);

/* The same name, if case, '_' and '-' do not matter. */
bool pool__hints_same_name(const char *a, const char *b);

/* All of them, for tests. */
const struct pool__hint *pool__hints_all(size_t *ret_count);

#endif /* POOL_CONFIG_HINTS_H */
