/*
 * FLOAT and DOUBLE as text and back: the one place that knows how. No locks, no memory; the
 * language of the program does not matter. threads: any.
 */
#ifndef POOL_SQL_NUMBER_H
#define POOL_SQL_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#define POOL__ANY_DECIMALS 31 /* and more: as many as the number needs, which servers call 31 */

/* 309 digits, a point and 30 decimals, or 255 digits of ZEROFILL, with sign and NUL. */
#define POOL__NUMBER_SIZE 352

/* Each writes `value` with a NUL, and returns the length. */

/* As the server writes a DOUBLE: the fewest digits that read back, or with so many decimals. */
size_t pool__number_double_text(double value, unsigned decimals, char text[POOL__NUMBER_SIZE]);

/* The fewest digits that read back as the same float. */
size_t pool__number_float_text(float value, char text[POOL__NUMBER_SIZE]);

/* A literal that a server takes for a DOUBLE, such as 1.1e0. */
size_t pool__number_double_literal(double value, char text[POOL__NUMBER_SIZE]);

/* What strtod would make of the texts above. */
double pool__number_from_double(double value, unsigned decimals);
double pool__number_from_float(float value);

/* What strtod makes of a text with a decimal point, whatever the language. */
double pool__number_of_text(const char *text);

#endif
