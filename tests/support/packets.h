/*
 * Packets made by hand, for suites about results: rows of both protocols go in, a result stands on
 * its first row. And a count of allocations, of which one can be made to fail, for suites that are
 * linked with --wrap=malloc. Include cmocka.h first.
 */
#ifndef TESTS_PACKETS_H
#define TESTS_PACKETS_H

#include <limits.h>
#include <mypool.h>
#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define NO_LIMIT UINT64_MAX, SIZE_MAX

/* Counts allocations, and fails the one that is number `fail_at`, if the test is linked
 * with --wrap=malloc. */
extern unsigned mallocs, fail_at;

/* Whether they are. */
bool mallocs_are_counted(void);

/* ---- packets ---- */

struct packet {
    uint8_t bytes[70000];
    size_t len;
};

void put_bytes(struct packet *p, const void *data, size_t len);
void put_int(struct packet *p, uint64_t value, size_t size);
void put_text(struct packet *p, const char *text, size_t len);

/* The header of a binary row; bit i of `nulls` is column i. */
void put_header(struct packet *p, unsigned count, uint64_t nulls);

MYSQL_FIELD column(const char *name, enum enum_field_types type);
MYSQL_FIELD column_with(enum enum_field_types type, unsigned flags, unsigned decimals,
                        unsigned long length);
bool add_exactly(struct pool_result *r, const uint8_t *bytes, size_t len, struct pool_error *err);
struct pool_result *begin_result(const MYSQL_FIELD *fields, unsigned count, bool binary);

/* A result of one row, standing on it. */
struct pool_result *row_of(const MYSQL_FIELD *fields, unsigned count, bool binary,
                           const struct packet *p);

/* One binary value that is given as bytes. */
struct pool_result *binary_value(MYSQL_FIELD field, const void *data, size_t len);

/* One value of the text protocol. */
struct pool_result *text_value(enum enum_field_types type, const char *text);

/* ---- floating point ---- */

struct pool_result *binary_double(double value);

/* ---- hostile rows ---- */

#define ALL 18 /* columns, each of another type */

void all_fields(MYSQL_FIELD fields[ALL]);

/* A binary row with a value in every column. */
void put_all(struct packet *p);

#endif
