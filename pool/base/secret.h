/*
 * Texts that may be a password. See secret.c. threads: any.
 */
#ifndef POOL_BASE_SECRET_H
#define POOL_BASE_SECRET_H

#include <stddef.h>

size_t pool__secret_length(const char *text);
void pool__secret_copy(char *to, const char *from, size_t size);

#endif
