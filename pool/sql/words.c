/*
 * What a token says. Words of the grammar are compared in any case.
 */
#include "sql/words.h"

static bool same_word(const char *text, size_t len, const char *word)
{
    for (size_t i = 0; i < len; i++) {
        char upper = text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - 'a' + 'A') : text[i];
        if (word[i] == '\0' || upper != word[i])
            return false;
    }
    return word[len] == '\0';
}

bool pool__words_is(const struct pool__token *token, const char *word)
{
    return token->kind == POOL__TOKEN_WORD && same_word(token->text, token->len, word);
}

bool pool__words_is_sign(const struct pool__token *token, char sign)
{
    return token->kind == POOL__TOKEN_SIGN && token->text[0] == sign;
}

bool pool__words_is_name(const struct pool__token *token, const char *word)
{
    if (token->kind == POOL__TOKEN_QUOTED)
        return same_word(token->text + 1, token->len - 2, word);
    return pool__words_is(token, word);
}

bool pool__words_is_one_of(const struct pool__token *token, const char *const *words,
                           bool (*matches)(const struct pool__token *, const char *))
{
    for (; *words; words++)
        if (matches(token, *words))
            return true;
    return false;
}

bool pool__words_is_any_name(const struct pool__token *token)
{
    return token->kind == POOL__TOKEN_WORD || token->kind == POOL__TOKEN_QUOTED;
}
