/*
 * getaddrinfo has no deadline of its own and may hang for half a minute. glibc's
 * getaddrinfo_a runs it on a thread of its own and can be waited for; a request
 * that cannot be cancelled is left to finish by itself, and its memory with it. The wait
 * is in slices, since it cannot be for a descriptor as well, the one that tells that
 * everything has to stop. Called by workers, and for the control connection by pool_end.
 */
#include "conn/resolve.h"

#include "base/error.h"
#include "base/sync.h"
#include "conn/wait.h"

#include <arpa/inet.h>
#include <errmsg.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SLICE_NS (10 * POOL__NS_PER_MS)

struct lookup {
    struct gaicb request;
    struct addrinfo hints;
    char name[256];
};

static bool is_address(const char *host)
{
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static void wait_a_little(struct lookup *lookup, uint64_t left_ns)
{
    const struct gaicb *list[] = {&lookup->request};
    uint64_t ns = left_ns < SLICE_NS ? left_ns : SLICE_NS;
    gai_suspend(list, 1, &(struct timespec){0, (long)ns});
}

static int wait_for(struct lookup *lookup, uint64_t deadline_ns, int cut_fd)
{
    int status;
    while ((status = gai_error(&lookup->request)) == EAI_INPROGRESS) {
        uint64_t now = pool__now_ns();
        if (now >= deadline_ns || pool__is_cut(cut_fd))
            return EAI_INPROGRESS;
        wait_a_little(lookup, deadline_ns - now);
    }
    return status;
}

static bool start(struct lookup *lookup, const char *host)
{
    struct gaicb *list[] = {&lookup->request};
    snprintf(lookup->name, sizeof lookup->name, "%s", host);
    lookup->hints.ai_family = AF_UNSPEC;
    lookup->hints.ai_socktype = SOCK_STREAM;
    lookup->request.ar_name = lookup->name;
    lookup->request.ar_request = &lookup->hints;
    return getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) == 0;
}

static bool fail(struct pool_error *err, const char *host, const char *why)
{
    pool__fail_lost(err, POOL_ERR_CONNECT, "host \"%s\" cannot be resolved: %s", host, why);
    if (err)
        err->server_errno = CR_UNKNOWN_HOST;
    return false;
}

static void take_addresses(const struct addrinfo *list, struct pool__addresses *addresses)
{
    for (; list && addresses->count < POOL__ADDRESSES; list = list->ai_next)
        if (getnameinfo(list->ai_addr, list->ai_addrlen, addresses->text[addresses->count],
                        sizeof addresses->text[0], NULL, 0, NI_NUMERICHOST) == 0)
            addresses->count++;
}

bool pool__resolve(const char *host, uint64_t deadline_ns, int cut_fd,
                   struct pool__addresses *ret_addresses, struct pool_error *err)
{
    ret_addresses->count = 0;
    if (is_address(host)) {
        snprintf(ret_addresses->text[0], sizeof ret_addresses->text[0], "%s", host);
        ret_addresses->count = 1;
        return true;
    }
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup || !start(lookup, host)) {
        free(lookup);
        return pool__fail(err, POOL_ERR_NOMEM, "out of memory to resolve \"%s\"", host);
    }
    int status = wait_for(lookup, deadline_ns, cut_fd);
    if (status == EAI_INPROGRESS) {
        /* Still running on its own thread: only what can be taken back is freed. */
        if (gai_cancel(&lookup->request) == EAI_CANCELED)
            free(lookup);
        return fail(err, host, "no answer in time");
    }
    if (status == 0)
        take_addresses(lookup->request.ar_result, ret_addresses);
    if (lookup->request.ar_result)
        freeaddrinfo(lookup->request.ar_result);
    free(lookup);
    return status == 0 || fail(err, host, gai_strerror(status));
}
