/*
 * Placeholders of a text that is read in a session which is not known. See readings.c.
 */
#ifndef POOL_SQL_READINGS_H
#define POOL_SQL_READINGS_H

#include "sql/placeholders.h"

#include <stdbool.h>
#include <stddef.h>

/* Both do what pool__placeholders_find does. The places of the first are good for a text that is
 * prepared: the server then says how many placeholders there are. Those of the second are good for
 * literals, which are safe in every session. */
bool pool__readings_find_possible(struct pool__placeholders *places, const char *sql, size_t len,
                                  enum pool__depth depth, struct pool_error *err);
bool pool__readings_find_safe(struct pool__placeholders *places, const char *sql, size_t len,
                              enum pool__depth depth, struct pool_error *err);

#endif
