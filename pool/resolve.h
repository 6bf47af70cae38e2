/*
 * Name resolution with a deadline.
 */
#ifndef POOL_RESOLVE_H
#define POOL_RESOLVE_H

#include "mypool.h"

/* True if the name resolves before the deadline, or is an address. Called right
 * before libmariadb looks the same name up without any deadline: the answer is warm
 * in the resolver's cache then, and a resolver that hangs is noticed here. */
bool pool__resolve(const char *host, uint64_t deadline_ns, struct pool_error *err);

#endif
