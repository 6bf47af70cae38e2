/*
 * Two kinds of silence, and what tells them from a server that is merely busy.
 *
 * Everything was acknowledged and a reply is awaited: then the kernel's keepalive probes
 * ask the server's kernel, which answers for a statement that runs for hours.
 *
 * Something was sent and is not acknowledged: then there are no probes, and the kernel
 * sends it again for a quarter of an hour. TCP_USER_TIMEOUT would shorten that, but it also
 * ends a connection whose peer answers and has no room, as a server has none that works
 * on one chunk of a batch while the next is on its way. So the pool looks itself, now and
 * then during a long wait: it is silence when the kernel has sent something again and no byte
 * was acknowledged meanwhile.
 *
 * No state, no locks; called by whoever owns the connection.
 */
#include "conn/tcp.h"

#include <linux/tcp.h> /* its tcp_info is longer than that of the C library */
#include <netinet/in.h>
#include <sys/socket.h>

static void set_number(int fd, int level, int option, int number)
{
    setsockopt(fd, level, option, &number, sizeof number);
}

static int whole_seconds(uint32_t ms)
{
    return (int)(ms / 1000 + (ms % 1000 != 0));
}

void pool__tcp_keepalive(int fd, uint32_t idle_ms)
{
    /* libmariadb has switched it on, with the times of the system. */
    set_number(fd, SOL_SOCKET, SO_KEEPALIVE, idle_ms != UINT32_MAX);
    if (idle_ms == UINT32_MAX)
        return;
    set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, whole_seconds(idle_ms));
    set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, whole_seconds(idle_ms / POOL__KEEPALIVE_PROBES));
    set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, POOL__KEEPALIVE_PROBES);
}

/* The kernel counts in retransmits only what was sent into an open window. So a peer that has
 * no room and says so is never taken for a silent one. */
bool pool__tcp_is_unheard(struct pool__silence *silence, int fd, uint64_t now_ns, uint32_t ms)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return false;
    if (!silence->since_ns || info.tcpi_bytes_acked != silence->acked || !info.tcpi_unacked)
        *silence = (struct pool__silence){info.tcpi_bytes_acked, now_ns};
    return info.tcpi_retransmits > 0 && now_ns - silence->since_ns >= ms * UINT64_C(1000000);
}
