/*
 * Values as literals, in the text of a statement. See literal.c.
 */
#ifndef POOL_SQL_LITERAL_H
#define POOL_SQL_LITERAL_H

#include "sql/lexer.h"

#include <stdbool.h>
#include <stddef.h>

/* Writes the statement with literals in the places of its placeholders, NUL-terminated, for a
 * session with these `quotes`; the caller frees the text with free(). If the quotes are unknown the
 * text is safe in all sessions, or refused. */
bool pool__literal_format(const char *sql, size_t len, struct pool_args args,
                          enum pool__quotes quotes, char **ret_sql, size_t *ret_len,
                          struct pool_error *err);

#endif
