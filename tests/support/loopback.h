/*
 * TCP sockets on this machine, for programs that stand between a pool and a server.
 */
#ifndef TESTS_LOOPBACK_H
#define TESTS_LOOPBACK_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct sockaddr_in local_address(unsigned port);
int connect_to(unsigned port);
int listen_on_any_port(int backlog, unsigned *ret_port);
bool send_all(int fd, const char *data, size_t len);

#endif
