/*
 * Options from a URL.
 *
 * A URL is copied once and then cut up in place (url_parse.c): that copy is the single allocation
 * that callers free. Before it, in the same block, are its size and room for the array of session
 * variables. No state, no locks; any thread.
 */
#include "config/url.h"

#include "base/error.h"
#include "config/options.h"
#include "config/url_names.h"
#include "config/url_parse.h"

#include <stdlib.h>
#include <string.h>

/* What a caller frees as one. */
struct block {
    size_t size;
    const char *variables[]; /* then the copy of the URL */
};

static size_t count_parameters(const char *url)
{
    size_t count = 1;
    for (; *url; url++)
        count += *url == '&';
    return count;
}

/* The caller gets what follows the size, for only malloc's own pointer may be freed: so the
 * block begins with the size. */
static struct block *new_block(const char *url, size_t pointers, char **ret_copy)
{
    size_t len = strlen(url) + 1;
    size_t size = sizeof(struct block) + pointers * sizeof(char *) + len;
    struct block *block = malloc(size);
    if (!block)
        return NULL;
    block->size = size;
    *ret_copy = (char *)&block->variables[pointers];
    memcpy(*ret_copy, url, len);
    return block;
}

void pool__url_free(void *memory)
{
    struct block *block = memory;
    if (block)
        explicit_bzero(block, block->size);
    free(block);
}

/* Changes *options only on success. */
static bool read_over(const char *url, struct pool_options *options, void **ret_memory,
                      struct pool_error *err)
{
    struct pool_options changed = *options;
    struct pool__url_reader r = {.options = &changed, .err = err};
    char *copy;
    if (!pool__url_parse_check(url, strnlen(url, POOL__URL_MOST + 1), err))
        return false;
    struct block *block = new_block(
        url, count_parameters(url) + pool__options_count_texts(options->session_variables) + 1,
        &copy);
    if (!block)
        return pool__fail(err, POOL_ERR_NOMEM, "URL: no memory for a copy");
    r.variables = block->variables;
    if (!pool__url_parse(copy, &r)) {
        pool__url_free(block);
        return false;
    }
    pool__url_parse_join(&r);
    *options = changed;
    *ret_memory = block;
    return true;
}

static bool check_arguments(const void *a, const void *b, const void *c, struct pool_error *err)
{
    pool__ok(err);
    return (a && b && c) || pool__fail(err, POOL_ERR_INVALID, "URL: an argument is NULL");
}

bool pool_options_apply_url(const char *url, struct pool_options *options, void **ret_memory,
                            struct pool_error *err)
{
    return check_arguments(url, options, ret_memory, err) &&
           pool__options_check_reserved(options, err) && read_over(url, options, ret_memory, err);
}

bool pool_options_from_url(const char *url, struct pool_options *ret_options, void **ret_memory,
                           struct pool_error *err)
{
    struct pool_options options = {0};
    if (!check_arguments(url, ret_options, ret_memory, err) ||
        !read_over(url, &options, ret_memory, err))
        return false;
    *ret_options = options;
    return true;
}

bool pool__url_read(const char *url, const struct pool_options *base,
                    struct pool_options *ret_options, void **ret_memory, struct pool_error *err)
{
    if (!check_arguments(url, base, base, err) || !pool__options_check_reserved(base, err))
        return false;
    *ret_options = *base;
    return read_over(url, ret_options, ret_memory, err);
}
