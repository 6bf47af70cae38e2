/*
 * A memory file takes the place of both descriptors, and of nothing else: what others write
 * meanwhile is there as well.
 */
#include "capture.h"

void begin_capture(struct capture *capture)
{
    fflush(stdout);
    fflush(stderr);
    capture->file = memfd_create("output", MFD_CLOEXEC);
    capture->kept[0] = dup(STDOUT_FILENO);
    capture->kept[1] = dup(STDERR_FILENO);
    dup2(capture->file, STDOUT_FILENO);
    dup2(capture->file, STDERR_FILENO);
}

void end_capture(struct capture *capture)
{
    fflush(stdout);
    fflush(stderr);
    dup2(capture->kept[0], STDOUT_FILENO);
    dup2(capture->kept[1], STDERR_FILENO);
    close(capture->kept[0]);
    close(capture->kept[1]);
    ssize_t len = pread(capture->file, capture->text, sizeof capture->text - 1, 0);
    capture->text[len > 0 ? len : 0] = '\0';
    close(capture->file);
}
