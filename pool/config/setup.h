/*
 * The statement that sets a session up: what the pool needs and what the options ask for.
 */
#ifndef POOL_CONFIG_SETUP_H
#define POOL_CONFIG_SETUP_H

#include <stdbool.h>

#include "mypool.h"

/* One statement for each name that the isolation level has on a server. */
struct pool__setup_sql {
    char *text[2]; /* ours to free; by enum in setup.c */
};

/* Writes the statements, for checked options. False: out of memory. */
bool pool__setup_init(struct pool__setup_sql *ret, const struct pool_options *v,
                      struct pool_error *err);
void pool__setup_fini(struct pool__setup_sql *setup);

/* The one for this server; `version` as mysql_get_server_version tells it. */
const char *pool__setup_text(const struct pool__setup_sql *setup, bool mariadb,
                             unsigned long version);

/* Whether the options set this variable, be it under another name that some servers have. */
bool pool__setup_sets(const struct pool_options *v, const char *variable);

/* The server has refused the statement: puts the option to blame before its words. */
void pool__setup_explain(const struct pool_options *v, struct pool_error *err);

#endif /* POOL_CONFIG_SETUP_H */
