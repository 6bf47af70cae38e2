/*
 * Noticing that a network has gone silent.
 */
#ifndef POOL_CONN_TCP_H
#define POOL_CONN_TCP_H

#include <stdbool.h>
#include <stdint.h>

#define POOL__KEEPALIVE_PROBES 3

/* Has the kernel probe a connection on which nothing comes for `idle_ms`: first after that,
 * then each third of it, and that three times in vain makes it lost. UINT32_MAX: never. */
void pool__tcp_keepalive(int fd, uint32_t idle_ms);

/* What was seen in one wait; begins as zeros. */
struct pool__silence {
    uint64_t acked;    /* bytes that the other side has acknowledged */
    uint64_t since_ns; /* since when that has not changed while something was on its way; or 0 */
};

/* To be asked again and again during a wait: something that was sent, and sent again, is
 * not acknowledged for `ms`, nor is anything else. False for what is no TCP. One system call. */
bool pool__tcp_is_unheard(struct pool__silence *silence, int fd, uint64_t now_ns, uint32_t ms);

#endif /* POOL_CONN_TCP_H */
