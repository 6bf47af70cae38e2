/*
 * Filling the example's database from a file of SQL statements.
 */
#ifndef EXAMPLE_SEED_H
#define EXAMPLE_SEED_H

#include <mypool.h>

/* Runs the statements of a file one by one. On failure prints why. */
bool seed_database(struct pool *pool, const char *path);

#endif
