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

static bool read_and_check(const struct pool__form *form, struct pool_error *err)
{
    struct pool__sql_info info;
    struct pool_error ignored; /* whoever runs it will say so */
    return form->text_len > MOST_BYTES || !reads_the_same_everywhere(form->text, form->text_len) ||
           !pool__sql_inspect(form->text, form->text_len, &info, &ignored) ||
           pool__form_check_count(&info, form->args.count, err);
}

bool pool__arity_check(struct pool__arities *arities, const struct pool__form *form,
                       struct pool_error *err)
{
    /* What was expanded has been looked at for that. */
    if (form->expanded.sql || has_names(form->args) || form->args.count > NUMBER)
        return true;
    uint64_t hash = form->hash ? form->hash : pool__hash_text(form->text, form->text_len);
    uint64_t word = (hash & ~NUMBER) | form->args.count;
    _Atomic uint64_t *known = &arities->known[hash % POOL__ARITIES];
    if (atomic_load_explicit(known, memory_order_relaxed) == word)
        return true;
    if (!read_and_check(form, err))
        return false;
    atomic_store_explicit(known, word, memory_order_relaxed);
    return true;
}
