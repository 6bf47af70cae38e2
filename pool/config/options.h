/*
 * The options of a pool, checked and owned.
 *
 * pool__options_init turns what a program wrote into what the pool works with:
 * every option validated, every default filled in, every string copied. From
 * then on nobody asks again whether a field is zero. options.c also owns the one
 * table of what an option is called, what it defaults to and how far it may go;
 * the URL parser reads the same table, so that the two cannot disagree.
 */
#ifndef POOL_CONFIG_OPTIONS_H
#define POOL_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/setup.h"
#include "mypool.h"

/* Immutable between init and fini, so any thread may read it without a lock. */
struct pool__options {
    /* The effective values: limits and times are never zero unless zero is meant
     * (min_idle), host, user and password are never NULL (host is "localhost" if
     * a socket is used, user is "" if only the credentials callback knows it),
     * host has no brackets, database is NULL or not empty, tls is never
     * POOL_TLS_DEFAULT, auth_plugins is never NULL. All pointers are owned. */
    struct pool_options v;
    char *memory; /* every string and the arrays of them, in one mapping; reads as
                     zeros in a child process, which uses none of them */
    size_t memory_size;
    struct pool__setup_sql setup; /* how each session begins */
};

/* Copies and validates. The error names the option and the bad value. On failure *ret is
 * untouched and there is nothing to free; on success *err is untouched. Any thread. */
bool pool__options_init(struct pool__options *ret, const struct pool_options *options,
                        struct pool_error *err);

/* Whether they ask for nothing that is newer than this library. Any thread. */
bool pool__options_check_reserved(const struct pool_options *options, struct pool_error *err);

/* Of an array that ends with NULL, or is NULL. */
size_t pool__options_count_texts(const char *const *texts);

/* Wipes and frees the copies. Fine on a zeroed or already finished struct. */
void pool__options_fini(struct pool__options *options);

#endif
