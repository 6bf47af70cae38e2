/*
 * Who has a connection finds its statement in the cache there, with the number of its
 * placeholders. Who has to wait for one should not wait in vain, but reading the text each time
 * would cost too much. So texts that were right are remembered here, for all threads: a word
 * each, in which two that meet replace each other. Nothing is refused on the word of this table:
 * the text is read then.
 *
 * What two servers may read differently is left to those who know the server. No locks.
 */
#include "sql/arity.h"

#include "sql/hash.h"

#include <string.h>

#define NUMBER UINT64_C(0xffff)
#define MOST_BYTES 65536 /* of a text that is not too long to be read twice */

static bool has(const char *text, size_t len, const char *part)
{
    return memmem(text, len, part, strlen(part)) != NULL;
}

/* Backslashes, executable comments and $quotes$ depend on the server. */
static bool reads_the_same_everywhere(const char *text, size_t len)
{
    return !memchr(text, '\\', len) && !memchr(text, '$', len) && !has(text, len, "/*!") &&
           !has(text, len, "/*M");
}

static bool has_names(struct pool_args args)
{
    for (size_t i = 0; i < args.count; i++)
        if (args.values[i].name)
            return true;
    return false;
}

static bool read_and_check(const struct pool__statement *statement, struct pool_error *err)
{
    struct pool__sql_info info;
    struct pool_error ignored; /* whoever runs it will say so */
    return statement->text_len > MOST_BYTES ||
           !reads_the_same_everywhere(statement->text, statement->text_len) ||
           !pool__inspect(statement->text, statement->text_len, &info, &ignored) ||
           pool__statement_check_count(&info, statement->args.count, err);
}

bool pool__arity_check(struct pool__arities *arities, const struct pool__statement *statement,
                       struct pool_error *err)
{
    /* What was expanded has been looked at for that. */
    if (statement->expanded.sql || has_names(statement->args) || statement->args.count > NUMBER)
        return true;
    uint64_t hash =
        statement->hash ? statement->hash : pool__hash_text(statement->text, statement->text_len);
    uint64_t word = (hash & ~NUMBER) | statement->args.count;
    _Atomic uint64_t *known = &arities->known[hash % POOL__ARITIES];
    if (atomic_load_explicit(known, memory_order_relaxed) == word)
        return true;
    if (!read_and_check(statement, err))
        return false;
    atomic_store_explicit(known, word, memory_order_relaxed);
    return true;
}
