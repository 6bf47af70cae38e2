/*
 * A statement that is refused fails the test.
 */
#include "inspected.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <string.h>

struct pool__sql_info inspect(const char *sql)
{
    struct pool__sql_info info;
    struct pool_error err = {0};
    if (!pool__inspect(sql, strlen(sql), &info, &err))
        fail_msg("%s: %s", sql, err.message);
    return info;
}
