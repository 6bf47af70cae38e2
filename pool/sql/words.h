/*
 * What a token says. See words.c. threads: any.
 */
#ifndef POOL_SQL_WORDS_H
#define POOL_SQL_WORDS_H

#include "sql/lexer.h"

#include <stdbool.h>

/* Whether the token is this word, which is given in capital letters. */
bool pool__words_is(const struct pool__token *token, const char *word);
bool pool__words_is_sign(const struct pool__token *token, char sign);
/* The same for the word in quotes as well: the server takes `get_lock`() for the function, too. */
bool pool__words_is_name(const struct pool__token *token, const char *word);
/* Whether the token matches one of the words, of which the last is NULL. */
bool pool__words_is_one_of(const struct pool__token *token, const char *const *words,
                           bool (*matches)(const struct pool__token *, const char *));
/* Whether the token is any word, in quotes or not. */
bool pool__words_is_any_name(const struct pool__token *token);

#endif
