/*
 * The routes of the example. `pool` must outlive the server.
 */
#ifndef EXAMPLE_USERS_H
#define EXAMPLE_USERS_H

#include <mypool.h>
#include <ulfius.h>

void users_add_routes(struct _u_instance *http, struct pool *pool);

#endif
