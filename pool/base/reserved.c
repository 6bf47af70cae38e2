/*
 * A public struct grows by a field that takes the place of a reserved word, whose zero is the
 * default. So a library that finds something in a reserved word must not go on as if it had
 * understood: either the program was compiled with a newer header and asks for something, or it
 * has not zeroed the struct. No state; any thread.
 */
#include "base/reserved.h"

#include "base/error.h"

bool pool__reserved_check(const void *words, size_t size, const char *what, struct pool_error *err)
{
    const unsigned char *bytes = words;
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return pool__fail(
                err, POOL_ERR_INVALID,
                "byte %zu of the reserved ones of %s is not zero: it asks for what is "
                "newer than this library, or was never zeroed",
                i, what);
    return true;
}
