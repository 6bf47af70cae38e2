/*
 * The process of the private server, and SIGSTOP. Linux: reads /proc. cmocka.h comes before
 * this header.
 */
#ifndef TESTS_SERVER_H
#define TESTS_SERVER_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "clock.h"

/* SIGSTOP takes effect when each thread has seen it. */
bool is_stopped(pid_t pid);

/* 0 if it does not run. */
pid_t server_pid(void);

/* Who freezes it makes sure that it is thawed, whatever the test finds. */
void freeze_server(void);

void thaw_server(void);

#endif
