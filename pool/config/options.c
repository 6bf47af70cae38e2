/*
 * The options that a pool keeps.
 *
 * Everything is checked on the caller's own strings first (option_check.c). Only then are all of
 * them copied into one block of memory, so there is one allocation that can fail,
 * nothing to undo when it does, and one block to wipe at the end: it holds the
 * password. The block is a mapping of its own, which the kernel leaves out of core
 * files and clears in child processes. No locks; any thread.
 */
#include "config/options.h"

#include "base/error.h"
#include "base/reserved.h"
#include "base/secret.h"
#include "config/option_check.h"
#include "config/option_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/un.h>

bool pool__options_check_reserved(const struct pool_options *options, struct pool_error *err)
{
    const struct pool_hooks *hooks = &options->hooks;
    return pool__reserved_check(options->reserved, sizeof options->reserved, "the options", err) &&
           pool__reserved_check(hooks->reserved, sizeof hooks->reserved, "the hooks", err);
}

size_t pool__options_count_texts(const char *const *texts)
{
    size_t count = 0;
    while (texts && texts[count])
        count++;
    return count;
}

/* Whole pages that nothing else lives in, so that the advice cannot hit anything else.
 * A kernel that does not know one of them (before Linux 4.14) goes without. */
static char *map_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, size, MADV_DONTDUMP);
    madvise(memory, size, MADV_WIPEONFORK);
    return memory;
}

static size_t bytes_of(const char *const *texts)
{
    size_t bytes = 0;
    for (; texts && *texts; texts++)
        bytes += strlen(*texts) + 1;
    return bytes;
}

/* The arrays come first in the block because they need alignment. */
static size_t pointers_needed(const struct pool_options *v)
{
    return pool__options_count_texts(v->init_sql) + 1 +
           pool__options_count_texts(v->session_variables) + 1;
}

static size_t memory_needed(struct pool_options *v)
{
    size_t rows;
    const struct pool__option *table = pool__option_table(&rows);
    size_t size = pointers_needed(v) * sizeof(char *) + bytes_of(v->init_sql) +
                  bytes_of(v->session_variables);
    for (size_t i = 0; i < rows; i++)
        if (table[i].kind == POOL__OPTION_TEXT && *pool__option_table_text(v, &table[i]))
            size += pool__secret_length(*pool__option_table_text(v, &table[i])) + 1;
    return size;
}

/* Moves a text to *at, and *at behind it. */
static const char *move_text(char **at, const char *text)
{
    size_t size = pool__secret_length(text) + 1;
    char *copy = *at;
    pool__secret_copy(copy, text, size);
    *at += size;
    return copy;
}

/* Moves the texts to *at and an array of them to *array, and both behind them. NULL for none. */
static const char *const *move_array(const char ***array, char **at, const char *const *texts)
{
    const char **moved = *array;
    if (!pool__options_count_texts(texts))
        return NULL;
    for (; *texts; texts++)
        *(*array)++ = move_text(at, *texts);
    *(*array)++ = NULL;
    return moved;
}

static void move_texts(struct pool__options *o)
{
    size_t rows;
    const struct pool__option *table = pool__option_table(&rows);
    struct pool_options *v = &o->v;
    const char **array = (const char **)(void *)o->memory;
    char *at = o->memory + pointers_needed(v) * sizeof(char *);
    v->init_sql = move_array(&array, &at, v->init_sql);
    v->session_variables = move_array(&array, &at, v->session_variables);
    for (size_t i = 0; i < rows; i++)
        if (table[i].kind == POOL__OPTION_TEXT && *pool__option_table_text(v, &table[i]))
            *pool__option_table_text(v, &table[i]) =
                move_text(&at, *pool__option_table_text(v, &table[i]));
}

/* The copy is ours, so the brackets can be taken off in place. */
static void take_brackets_off(struct pool_options *v)
{
    char *host = (char *)v->host;
    if (*host != '[')
        return;
    host[strlen(host) - 1] = '\0';
    v->host = host + 1;
}

bool pool__options_init(struct pool__options *ret, const struct pool_options *options,
                        struct pool_error *err)
{
    struct pool__options o = {0};
    if (!options)
        return pool__fail(err, POOL_ERR_INVALID, "'options' is NULL");
    if (!pool__option_check_environment(getauxval(AT_SECURE) != 0, err))
        return false;
    o.v = *options;
    if (!pool__options_check_reserved(&o.v, err) || !pool__option_check(&o.v, err))
        return false;
    if (!pool__setup_init(&o.setup, &o.v, err))
        return false;
    o.memory_size = memory_needed(&o.v);
    o.memory = map_memory(o.memory_size);
    if (!o.memory) {
        pool__setup_fini(&o.setup);
        return pool__fail(err, POOL_ERR_NOMEM, "no memory for a copy of the options");
    }
    move_texts(&o);
    take_brackets_off(&o.v);
    *ret = o;
    return true;
}

void pool__options_fini(struct pool__options *options)
{
    pool__setup_fini(&options->setup);
    if (options->memory) {
        explicit_bzero(options->memory, options->memory_size);
        munmap(options->memory, options->memory_size);
    }
    memset(options, 0, sizeof *options);
}
