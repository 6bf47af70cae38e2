/*
 * Placeholders of a text that is read in a session which is not known. See readings.c.
 */
#ifndef POOL_SQL_READINGS_H
#define POOL_SQL_READINGS_H

#include "sql/places.h"

#include <stdbool.h>
#include <stddef.h>

/* As pool__places_find. With the first a server that has
 * prepared what comes of it tells how many placeholders it has; with the second literals are
 * written into the text, and are safe in every session. */
bool pool__readings_find_possible(struct pool__places *places, const char *sql, size_t len,
                                  enum pool__depth depth, struct pool_error *err);
bool pool__readings_find_safe(struct pool__places *places, const char *sql, size_t len,
                              enum pool__depth depth, struct pool_error *err);

#endif
