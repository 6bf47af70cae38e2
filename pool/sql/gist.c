/*
 * What kind of statement it is, from its first words and from what was seen in it (inspect.c).
 * Pure.
 */
#include "sql/gist.h"

#include "sql/words.h"

#include <string.h>

/* Compares the first tokens with words; "x" stands for any name, "..." for anything. */
static bool matches(const struct pool__gist *gist, const char *const *pattern)
{
    size_t at = 0;
    for (; pattern[at]; at++) {
        if (strcmp(pattern[at], "...") == 0)
            return true;
        if (at == gist->tokens)
            return false;
        const struct pool__token *token = &gist->head[at];
        if (strcmp(pattern[at], "x") == 0 ? !pool__words_is_any_name(token)
                                          : !pool__words_is(token, pattern[at]))
            return false;
    }
    return at == gist->tokens;
}

/* Without AND CHAIN and RELEASE, and without the compound BEGIN NOT ATOMIC. */
static bool is_transaction(const struct pool__gist *gist)
{
    static const char *const patterns[][POOL__GIST_HEAD + 1] = {
        {"BEGIN"},
        {"BEGIN", "WORK"},
        {"START", "TRANSACTION", "..."},
        {"COMMIT"},
        {"COMMIT", "WORK"},
        {"ROLLBACK"},
        {"ROLLBACK", "WORK"},
        {"ROLLBACK", "TO", "x"},
        {"ROLLBACK", "TO", "SAVEPOINT", "x"},
        {"ROLLBACK", "WORK", "TO", "x"},
        {"ROLLBACK", "WORK", "TO", "SAVEPOINT", "x"},
        {"SAVEPOINT", "x"},
        {"RELEASE", "SAVEPOINT", "x"},
    };
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (matches(gist, patterns[i]))
            return true;
    return false;
}

static bool is_plain(const struct pool__gist *gist)
{
    static const char *const starts[] = {"SELECT",  "INSERT", "UPDATE", "DELETE",
                                         "REPLACE", "WITH",   "VALUES", NULL};
    if (pool__words_is_sign(&gist->head[0], '('))
        return pool__words_is(&gist->first, "SELECT");
    return pool__words_is_one_of(&gist->first, starts, pool__words_is);
}

enum pool__sql_class pool__gist_class(const struct pool__gist *gist, bool doubtful)
{
    if (doubtful || gist->multiple || gist->touches_session || gist->has_body)
        return POOL__SQL_OTHER;
    if (is_transaction(gist))
        return POOL__SQL_TRANSACTION;
    return is_plain(gist) ? POOL__SQL_PLAIN : POOL__SQL_OTHER;
}

static bool rolls_back_to_savepoint(const struct pool__gist *gist)
{
    return pool__words_is(&gist->head[1], "TO") || pool__words_is(&gist->head[2], "TO");
}

static bool begins(const struct pool__token *head)
{
    if (pool__words_is(&head[0], "XA"))
        return pool__words_is(&head[1], "START") || pool__words_is(&head[1], "BEGIN");
    return pool__words_is(&head[0], "BEGIN") ||
           (pool__words_is(&head[0], "START") && pool__words_is(&head[1], "TRANSACTION"));
}

static bool hides_statements(const struct pool__gist *gist)
{
    static const char *const runners[] = {"CALL", "EXECUTE", "XA", NULL};
    static const char *const makers[] = {"CREATE", "ALTER", NULL};
    const struct pool__token *first = &gist->head[0];
    bool runs_body = gist->has_body && !pool__words_is_one_of(first, makers, pool__words_is);
    return gist->multiple || runs_body || pool__words_is_one_of(first, runners, pool__words_is) ||
           first->kind == POOL__TOKEN_COMMENT_SQL;
}

enum pool__sql_turn pool__gist_turn(const struct pool__gist *gist, bool doubtful)
{
    const struct pool__token *head = gist->head;
    bool one = !doubtful && !gist->multiple && !gist->has_body;
    if (one && begins(head))
        return POOL__SQL_TURN_BEGIN;
    if (doubtful || hides_statements(gist))
        return POOL__SQL_TURN_HIDDEN;
    if (pool__words_is(&head[0], "COMMIT"))
        return POOL__SQL_TURN_COMMIT;
    if (pool__words_is(&head[0], "ROLLBACK") && !rolls_back_to_savepoint(gist))
        return POOL__SQL_TURN_ROLLBACK;
    return POOL__SQL_TURN_NONE;
}

/* A routine, or a trigger, puts them back at its end. What EXECUTE runs is not seen. */
bool pool__gist_rereads(const struct pool__gist *gist, bool doubtful)
{
    const struct pool__token *first = &gist->head[0];
    if (pool__words_is(first, "EXECUTE"))
        return true;
    bool sets = pool__words_is(first, "SET") || gist->multiple || gist->has_body || doubtful ||
                first->kind == POOL__TOKEN_COMMENT_SQL;
    return sets && gist->names_reading;
}

bool pool__gist_is_read_only(const struct pool__gist *gist)
{
    return !gist->not_read_only &&
           (pool__words_is(&gist->first, "SELECT") || pool__words_is(&gist->first, "VALUES"));
}
