/*
 * The names of what is numbered in mypool.h, for logs and metrics. Those of enum pool_code are
 * in error.c.
 */
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
