/*
 * What pool/sql says of a statement, for suites of which it is not the subject. Include cmocka.h
 * first.
 */
#ifndef TESTS_INSPECTED_H
#define TESTS_INSPECTED_H

#include <mypool.h>

#include "sql/inspect.h"

struct pool__sql_info inspect(const char *sql);

#endif
