/*
 * Whether a process that was sent SIGSTOP stands still. Linux: reads /proc.
 */
#ifndef TESTS_STOPPED_H
#define TESTS_STOPPED_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

/* SIGSTOP takes effect when each thread has seen it. */
static inline bool is_stopped(pid_t pid)
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

#endif
