/*
 * The names of what is numbered in mypool.h, for logs and metrics. Those of enum pool_code are
 * in error.c.
 */
#include "config/option_table.h"
#include "mypool.h"

#include <stddef.h>

/* clang-format off */
const char *pool_type_name(enum pool_type type)
{
    switch (type) {
    case POOL_TYPE_NULL: return "NULL";
    case POOL_TYPE_INT: return "INT";
    case POOL_TYPE_UINT: return "UINT";
    case POOL_TYPE_FLOAT: return "FLOAT";
    case POOL_TYPE_DOUBLE: return "DOUBLE";
    case POOL_TYPE_DECIMAL: return "DECIMAL";
    case POOL_TYPE_TEXT: return "TEXT";
    case POOL_TYPE_BYTES: return "BYTES";
    case POOL_TYPE_DATE: return "DATE";
    case POOL_TYPE_TIME: return "TIME";
    case POOL_TYPE_DATETIME: return "DATETIME";
    case POOL_TYPE_LIST: return "LIST";
    }
    return "unknown";
}
/* clang-format on */

const char *pool_state_name(enum pool_state state)
{
    switch (state) {
    case POOL_STATE_UP: return "up";
    case POOL_STATE_RETRYING: return "retrying";
    case POOL_STATE_DOWN: return "down";
    }
    return "unknown";
}

const char *pool_close_reason_name(enum pool_close_reason reason)
{
    switch (reason) {
    case POOL_CLOSE_SERVER: return "server";
    case POOL_CLOSE_ERROR: return "error";
    case POOL_CLOSE_TIMEOUT: return "timeout";
    case POOL_CLOSE_IDLE: return "idle";
    case POOL_CLOSE_LIFETIME: return "lifetime";
    case POOL_CLOSE_DESTROYED: return "destroyed";
    case POOL_CLOSE_RESET: return "reset";
    case POOL_CLOSE_READ_ONLY: return "read_only";
    case POOL_CLOSE_END: return "end";
    }
    return "unknown";
}

/* What a URL calls them is in the one table of options. */
static const char *word_of(size_t offset, unsigned value, unsigned last)
{
    size_t rows;
    const struct pool__option *table = pool__option_table(&rows);
    for (size_t i = 0; i < rows && value <= last; i++)
        if (table[i].offset == offset)
            return table[i].words[value];
    return "unknown";
}

const char *pool_reset_policy_name(enum pool_reset_policy policy)
{
    return word_of(offsetof(struct pool_options, reset_policy), policy, POOL_RESET_LAST);
}

const char *pool_isolation_name(enum pool_isolation isolation)
{
    return word_of(offsetof(struct pool_options, isolation), isolation, POOL_ISOLATION_LAST);
}

const char *pool_tls_mode_name(enum pool_tls_mode mode)
{
    return word_of(offsetof(struct pool_options, tls), mode, POOL_TLS_LAST);
}

const char *pool_flow_name(enum pool_flow flow)
{
    switch (flow) {
    case POOL_FLOW_STOP: return "STOP";
    case POOL_FLOW_CONTINUE: return "CONTINUE";
    case POOL_FLOW_PAUSE: return "PAUSE";
    }
    return "unknown";
}

/* clang-format off */
const char *pool_target_type_name(enum pool_target_type type)
{
    switch (type) {
    case POOL_TO_BOOL: return "BOOL";
    case POOL_TO_I8: return "I8";
    case POOL_TO_U8: return "U8";
    case POOL_TO_I16: return "I16";
    case POOL_TO_U16: return "U16";
    case POOL_TO_I32: return "I32";
    case POOL_TO_U32: return "U32";
    case POOL_TO_I64: return "I64";
    case POOL_TO_U64: return "U64";
    case POOL_TO_FLOAT: return "FLOAT";
    case POOL_TO_DOUBLE: return "DOUBLE";
    case POOL_TO_TEXT: return "TEXT";
    case POOL_TO_BYTES: return "BYTES";
    case POOL_TO_TIME: return "TIME";
    case POOL_TO_SKIP: return "SKIP";
    case POOL_TO_NEW_TEXT: return "NEW_TEXT";
    }
    return "unknown";
}
/* clang-format on */

const char *pool_server_error_name(unsigned server_errno)
{
    switch (server_errno) {
#define NAME(id, number)                                                                           \
    case number: return &#id[sizeof "POOL_" - 1];
        POOL_SERVER_ERRORS(NAME)
#undef NAME
    }
    return NULL;
}
