/*
 * Sockets of 127.0.0.1 alone. Who cannot have one is not told, except by -1 where a connect fails:
 * without them no test can go on.
 */
#include "loopback.h"

struct sockaddr_in local_address(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)port);
    return address;
}

int connect_to(unsigned port)
{
    struct sockaddr_in address = local_address(port);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

int listen_on_any_port(int backlog, unsigned *ret_port)
{
    struct sockaddr_in address = local_address(0);
    socklen_t size = sizeof address;
    int small = 32768; /* what is swallowed must not fit into buffers */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, backlog) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        abort();
    *ret_port = ntohs(address.sin_port);
    return fd;
}

bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}
