/*
 * Options from a URL. The parser itself is public: pool_options_from_url.
 */
#ifndef POOL_URL_H
#define POOL_URL_H

#include "mypool.h"

/* Wipes the password and frees the memory that pool_options_from_url returned.
 * `options` are the ones it filled in, and are useless afterwards. Any thread. */
void pool__url_free(const struct pool_options *options, void *memory);

#endif /* POOL_URL_H */
