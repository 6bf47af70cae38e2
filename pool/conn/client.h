/*
 * libmariadb's options for a connection. See client.c.
 */
#ifndef POOL_CONN_CLIENT_H
#define POOL_CONN_CLIENT_H

#include "config/options.h"

struct st_mysql; /* libmariadb's MYSQL */

void pool__client_set_options(struct st_mysql *mysql, const struct pool__options *options);

/* After the login: overwrites what libmariadb keeps of the password. */
void pool__client_forget_password(struct st_mysql *mysql);

#endif
