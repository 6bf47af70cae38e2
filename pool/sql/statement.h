/*
 * What is to be run: a statement with its values, checked and made ready before any
 * connection is borrowed. It points into what the caller passed, which must stay, and is
 * only read once it is made. threads: any.
 */
#ifndef POOL_SQL_STATEMENT_H
#define POOL_SQL_STATEMENT_H

#include "sql/expand.h"
#include "sql/inspect.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL__FEW_VALUES 16 /* more need an allocation */

struct pool__statement {
    /* For the prepared protocol: ? only, and one single value for each. */
    const char *sql;
    size_t len;
    uint64_t hash; /* of sql, for the statement cache; 0: nothing is to be remembered of it */
    const struct pool_value *const *values;
    size_t count;
    size_t size; /* bytes of text and values, about as many as the packet will have, or more */
    /* As the caller wrote it, for the text protocol. */
    const char *text;
    size_t text_len;
    struct pool_args args;
    bool as_text;           /* not to be prepared */
    bool own;               /* the pool's question: no limit of the program's holds */
    bool depends_on_quotes; /* of as_text: how its literals look depends on the session */
    /* To be freed. */
    struct pool__expanded expanded;
    const struct pool_value **many;
    const struct pool_value *few[POOL__FEW_VALUES];
};

/* Checks the values, and expands lists and names. On failure there is nothing to free. */
bool pool__statement_init(struct pool__statement *statement, const struct pool_request *request,
                          bool no_prepare, struct pool_error *err);
void pool__statement_fini(struct pool__statement *statement);

/* Whether a text among the values is written in different ways in different sessions. */
bool pool__statement_has_special_text(const struct pool__statement *statement);

/* Whether a statement of which pool__inspect has said this takes so many values without names. */
bool pool__statement_check_count(const struct pool__sql_info *info, size_t count,
                                 struct pool_error *err);

#endif
