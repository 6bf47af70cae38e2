/*
 * A Unix socket whose server stands still fills up: the kernel keeps so many connections
 * that were not accepted yet, and no more. libmariadb then tries again and again by
 * itself, in whole seconds, and asks nobody. So the pool looks before it calls.
 *
 * The look is a connect of a socket that is connected already. Linux asks first whether
 * there is room, and then says that the socket is taken: it costs the server nothing, and
 * no connection is made that it would have to accept. If the last room goes to somebody
 * else right after the look, libmariadb's own limit counts, which is a second.
 *
 * Called by whoever opens a connection.
 */
#include "conn/backlog.h"

#include "base/sync.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PAUSE_MS 5

static bool is_full(int connected, const struct sockaddr_un *address)
{
    return connect(connected, (const struct sockaddr *)address, sizeof *address) != 0 &&
           errno == EAGAIN;
}

/* Ends early when everything has to stop. */
static void pause_until_cut(int cut_fd)
{
    struct pollfd cut = {.fd = cut_fd, .events = POLLIN};
    poll(&cut, 1, PAUSE_MS);
}

bool pool__backlog_wait(const char *path, struct pool__wait *wait)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int pair[2];
    if (strlen(path) >= sizeof address.sun_path ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return true; /* the connect itself will tell */
    memcpy(address.sun_path, path, strlen(path));
    while (is_full(pair[0], &address) && !wait->cut && !wait->timed_out) {
        pause_until_cut(wait->cut_fd);
        wait->cut = pool__is_cut(wait->cut_fd);
        wait->timed_out = pool__now_ns() >= wait->deadline_ns;
    }
    close(pair[0]);
    close(pair[1]);
    return !wait->cut && !wait->timed_out;
}
