/*
 * What the suites about the meaning of values share: a pool of one connection, values of
 * every type, and what a statement has done or answered as one text that can be compared.
 * Include cmocka.h first.
 */
#ifndef TESTS_MEANING_H
#define TESTS_MEANING_H

#include <mypool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text that grows to the end of its room and no further. */
struct text {
    size_t len;
    char data[131072];
};

__attribute__((format(printf, 2, 3))) void put(struct text *text, const char *format, ...);

void clear(struct text *text);

/* Its server takes what it can of a value that does not fit. */
struct pool *pool_of_one(const char *more);

/* Runs it as it is. False if the server refuses. */
bool runs(struct pool *pool, const char *sql, struct pool_error *err);

void must_run(struct pool *pool, const char *sql);
void put_rows(struct text *text, struct pool_result *result);
void put_table(struct text *text, struct pool *pool, const char *select);

/* ---- values ---- */

struct pool_value moment(enum pool_type type, unsigned microsecond, bool negative);

#endif
