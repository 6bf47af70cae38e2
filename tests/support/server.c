/*
 * Reads the number of the process anew each time, because the server may have been restarted.
 */
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "loopback.h"

bool is_stopped(pid_t pid)
{
    char path[64], line[512];
    bool stopped = true;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/stat", pid, task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (file && fgets(line, sizeof line, file))
            stopped = stopped && strstr(line, ") T ");
        if (file)
            fclose(file);
    }
    if (tasks)
        closedir(tasks);
    return stopped;
}

pid_t server_pid(void)
{
    char path[512], text[32] = "";
    snprintf(path, sizeof path, "%s/pid", getenv("MYPOOL_SERVER_DIR"));
    FILE *file = fopen(path, "re");
    char *line = file ? fgets(text, sizeof text, file) : NULL;
    if (file)
        fclose(file);
    return line ? (pid_t)strtol(line, NULL, 10) : 0;
}

void freeze_server(void)
{
    pid_t pid = server_pid();
    assert_true(pid > 0 && kill(pid, SIGSTOP) == 0);
    assert_within(15000, is_stopped(pid));
}

void thaw_server(void)
{
    pid_t pid = server_pid();
    if (pid > 0)
        kill(pid, SIGCONT);
}

void signal_server(int number)
{
    pid_t pid = server_pid();
    assert_true(pid > 0);
    assert_int_equal(kill(pid, number), 0);
    if (number == SIGSTOP)
        assert_within(GENEROUS, is_stopped(pid));
}

void stop_server(int how)
{
    pid_t pid = server_pid();
    signal_server(how);
    assert_within(60000, kill(pid, 0) != 0 && errno == ESRCH);
}

void kill_server(void)
{
    stop_server(SIGKILL);
}

bool run_restart(const char *arguments)
{
    char command[1200];
    snprintf(command, sizeof command, "'%s' %s", getenv("MYPOOL_SERVER_RESTART"), arguments);
    return system(command) == 0;
}

bool server_greets(void)
{
    char byte;
    int fd = connect_to((unsigned)strtoul(getenv("MYPOOL_SERVER_PORT"), NULL, 10));
    bool greets = fd >= 0 && recv(fd, &byte, 1, 0) == 1;
    close(fd);
    return greets;
}
