/*
 * The names that may stand before an opening parenthesis without being the call of a stored
 * or loadable function. threads: any.
 */
#ifndef POOL_SQL_BUILTINS_H
#define POOL_SQL_BUILTINS_H

#include <stdbool.h>
#include <stddef.h>

enum pool__builtins_kind {
    POOL__BUILTINS_UNKNOWN,
    POOL__BUILTINS_KEYWORD,       /* of the grammar: IN (...), VALUES (...) */
    POOL__BUILTINS_FUNCTION,      /* built in */
    POOL__BUILTINS_TIGHT_FUNCTION /* built in only if the parenthesis follows at once */
};

/* `name` is unquoted and unqualified, in any case; it need not end with a NUL. */
enum pool__builtins_kind pool__builtins_kind(const char *name, size_t len);

#endif
