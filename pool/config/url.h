/*
 * Options from a URL. The parser itself is public: pool_options_from_url,
 * and pool_options_apply_url.
 */
#ifndef POOL_CONFIG_URL_H
#define POOL_CONFIG_URL_H

#include "mypool.h"

/* The options are those of `base`, and over them what the URL says. They point into `base` and into
 * *ret_memory. */
bool pool__url_read(const char *url, const struct pool_options *base,
                    struct pool_options *ret_options, void **ret_memory, struct pool_error *err);

/* Wipes and frees the memory that pool_options_from_url or its kin returned. NULL is fine.
 * Any thread. */
void pool__url_free(void *memory);

#endif /* POOL_CONFIG_URL_H */
