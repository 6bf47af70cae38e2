/*
 * Name resolution with a deadline.
 */
#ifndef POOL_CONN_RESOLVE_H
#define POOL_CONN_RESOLVE_H

#include "mypool.h"

#include <arpa/inet.h>

#define POOL__ADDRESSES 8 /* of one host that are tried at most */

struct pool__addresses {
    unsigned count;
    char text[POOL__ADDRESSES][INET6_ADDRSTRLEN];
};

/* True if the name resolves before the deadline, or is an address. Fills in the addresses
 * in the order in which they are to be tried. If libmariadb is given the name all the
 * same, it looks it up without any deadline: the answer is warm in the resolver's cache
 * then, and a resolver that hangs is noticed here. */
bool pool__resolve(const char *host, uint64_t deadline_ns, int cut_fd,
                   struct pool__addresses *ret_addresses, struct pool_error *err);

#endif
