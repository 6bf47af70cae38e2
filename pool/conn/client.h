/*
 * libmariadb's options for a connection. See client.c.
 */
#ifndef POOL_CONN_CLIENT_H
#define POOL_CONN_CLIENT_H

#include "config/options.h"

#include <mysql.h>

void pool__client_set_options(MYSQL *mysql, const struct pool__options *options);

/* After the login. */
void pool__client_forget_password(MYSQL *mysql);

#endif
