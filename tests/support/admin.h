/*
 * The administrator of the private server, who has a plain connection of his own: what he
 * does and sees is no business of the pool under test. Include cmocka.h first.
 */
#ifndef TESTS_ADMIN_H
#define TESTS_ADMIN_H

#include <mysql.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* NULL if the server lets nobody in. */
MYSQL *connect_admin(void);

/* Runs a statement; `ret_text`, if any, gets the first column of the first row. */
bool ask(MYSQL *admin, const char *sql, char *ret_text, size_t size);

/* These two fail the test if the server refuses. */

__attribute__((format(printf, 2, 3))) void admin_does(MYSQL *admin, const char *format, ...);

long admin_asks(MYSQL *admin, const char *sql);

/* No session has this id any more. */
bool is_gone(MYSQL *admin, unsigned long id);

#endif
