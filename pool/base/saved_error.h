/*
 * An error that has to be kept until somebody asks for it: a struct pool_error is half a
 * kilobyte, nearly all of it room for a text that is seldom there. threads: none of its own.
 */
#ifndef POOL_BASE_SAVED_ERROR_H
#define POOL_BASE_SAVED_ERROR_H

#include "mypool.h"

struct pool__saved_error {
    char *message; /* on the heap; NULL: none, or there was no memory for it */
    enum pool_code code;
    unsigned server_errno;
    char sqlstate[6];
    bool fatal;
    bool not_executed;
    bool retry_transaction;
};

/* Keeps the error instead of the one before. A struct of zeros keeps none. */
void pool__saved_error_set(struct pool__saved_error *saved, const struct pool_error *err);
/* Copies the error that is kept into `err`. If there was no memory for its text, the text is that
 * of its code. */
void pool__saved_error_tell(const struct pool__saved_error *saved, struct pool_error *err);
void pool__saved_error_drop(struct pool__saved_error *saved);

#endif
