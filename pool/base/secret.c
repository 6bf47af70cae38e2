/*
 * Texts that may be a password. The C library's own functions leave the last of such a text in
 * vector registers, and from there it gets onto stacks when those are saved.
 */
#include "base/secret.h"

size_t pool__secret_length(const char *text)
{
    const volatile char *end = text;
    while (*end)
        end++;
    return (size_t)(end - text);
}

void pool__secret_copy(char *to, const char *from, size_t size)
{
    volatile char *at = to;
    while (size-- > 0)
        *at++ = *from++;
}
