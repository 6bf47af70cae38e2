/*
 * The process of the private server: its signals, its end and its restart. Linux: reads /proc.
 * cmocka.h comes before this header.
 */
#ifndef TESTS_SERVER_H
#define TESTS_SERVER_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "waiting.h"

/* SIGSTOP takes effect when each thread has seen it. */
bool is_stopped(pid_t pid);

/* 0 if it does not run. */
pid_t server_pid(void);

/* Who freezes it makes sure that it is thawed, whatever the test finds. */
void freeze_server(void);

void thaw_server(void);

void signal_server(int number);

/* By this signal; returns when it is gone. */
void stop_server(int how);
void kill_server(void);

/* By the command of with-mariadb, with these arguments. */
bool run_restart(const char *arguments);

/* A greeting has come through the port. */
bool server_greets(void);

#endif
