/*
 * What is written to standard output and standard error meanwhile.
 */
#ifndef TESTS_CAPTURE_H
#define TESTS_CAPTURE_H

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct capture {
    int file;
    int kept[2]; /* the real ones */
    char text[4096];
};

void begin_capture(struct capture *capture);
void end_capture(struct capture *capture);

#endif
