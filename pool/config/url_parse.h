/*
 * The parser of URLs. See url_parse.c.
 */
#ifndef POOL_CONFIG_URL_PARSE_H
#define POOL_CONFIG_URL_PARSE_H

#include "config/url_names.h"

#include <stdbool.h>
#include <stddef.h>

#define POOL__URL_MOST 8192 /* bytes */

/* Before anything else: its length, up to one more than POOL__URL_MOST, and its characters. */
bool pool__url_parse_check(const char *url, size_t len, struct pool_error *err);

/* Cuts `url` up, into the options of the reader, which it overrides. */
bool pool__url_parse(char *url, struct pool__url_reader *r);

/* Afterwards: behind the session variables of the URL those that the options had before. */
void pool__url_parse_join(struct pool__url_reader *r);

#endif
