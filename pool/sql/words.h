/*
 * What a token says. See words.c. threads: any.
 */
#ifndef POOL_SQL_WORDS_H
#define POOL_SQL_WORDS_H

#include "sql/lexer.h"

#include <stdbool.h>

/* The word, which is given in capital letters. */
bool pool__words_is(const struct pool__token *token, const char *word);
bool pool__words_is_sign(const struct pool__token *token, char sign);
/* A word, or the same in quotes: the server takes `get_lock`() for the function, too. */
bool pool__words_is_name(const struct pool__token *token, const char *word);
/* One of these, up to NULL, as the function compares. */
bool pool__words_is_one_of(const struct pool__token *token, const char *const *words,
                           bool (*matches)(const struct pool__token *, const char *));
/* Any word, in quotes or not. */
bool pool__words_is_any_name(const struct pool__token *token);

#endif
