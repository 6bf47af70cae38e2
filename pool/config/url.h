/*
 * Options from a URL. The parser itself is public: pool_options_from_url,
 * pool_options_apply_url and the functions that make a pool from a URL.
 */
#ifndef POOL_URL_H
#define POOL_URL_H

#include "mypool.h"

/* Wipes and frees the memory that pool_options_from_url or its kin returned. NULL is fine.
 * Any thread. */
void pool__url_free(void *memory);

#endif /* POOL_URL_H */
