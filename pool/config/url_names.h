/*
 * Parameters of a URL by name. See url_names.c.
 */
#ifndef POOL_CONFIG_URL_NAMES_H
#define POOL_CONFIG_URL_NAMES_H

#include "config/option_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What has been read of a URL so far. */
struct pool__url_reader {
    struct pool_options *options;
    struct pool_error *err;
    const struct pool__option *table;
    size_t rows;
    uint64_t seen;          /* bit i: the parameter of row i has been given */
    bool may_quote_names;   /* the URL has a user before the host */
    const char **variables; /* each "name=value"; room for all that the URL has */
    size_t variable_count;
};

/* The row of the table; `rows` if there is none. */
size_t pool__url_names_find(const struct pool__url_reader *r, const char *name);

/* Refuses it, with a hint if there is one. Always false. */
bool pool__url_names_refuse(struct pool__url_reader *r, const char *name);

bool pool__url_names_looks_like_one(const char *name);

#endif
