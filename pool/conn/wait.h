/*
 * How a libmariadb call waits for its socket.
 *
 * libmariadb calls the hook pool__wait_hook whenever it would block. The hook has no
 * user pointer, so the limits of the running call are in a thread-local variable:
 *
 *     struct pool__wait wait = {.deadline_ns = ..., .cut_fd = ...};
 *     pool__wait_begin(&wait, tls);
 *     ... any blocking libmariadb call ...
 *     pool__wait_end(&wait);
 *     if (wait.timed_out) ...
 */
#ifndef POOL_CONN_WAIT_H
#define POOL_CONN_WAIT_H

#include <stdbool.h>
#include <stdint.h>

struct pool__sigpipe {
    bool blocked;
    bool was_pending;
};

/* Between these calls SIGPIPE does not reach this thread; the second takes away those of our
 * making. */
void pool__sigpipe_block(struct pool__sigpipe *sigpipe);
void pool__sigpipe_unblock(struct pool__sigpipe *sigpipe);

struct pool__wait {
    uint64_t deadline_ns; /* POOL__FOREVER for none */
    int cut_fd;           /* readable when everything has to stop; -1 for none */
    bool connecting;      /* make the socket non-blocking and close-on-exec when seen */
    uint64_t reach_ns;    /* while connecting: until when it must be reached; 0: no limit */
    void (*on_entry)(struct pool__wait *wait); /* while connecting: called at each wait; or NULL */
    uint32_t unheard_ms; /* what is not acknowledged for so long is lost (tcp.h); 0: no limit */
    /* NULL, or asked before each sleep, which lasts until then at most; it is no deadline.
     * pool__wait_begin clears it. */
    uint64_t (*before_sleep)(struct pool__wait *wait);
    /* results */
    bool timed_out;
    bool cut;
    bool unheard;
    bool reading; /* the request has been sent: the call has waited for the reply */
    int kept_fd;  /* after timed_out, cut or unheard: a duplicate of the socket, for the caller to
                     close; else -1 */
    /* for pool__wait_end */
    int cancel_state;
    bool tls;
    struct pool__sigpipe sigpipe;
    struct pool__wait *outer;
};

/* Whether the pool has given the connection up by itself: what libmariadb says then is no
 * answer. */
static inline bool pool__wait_was_ended(const struct pool__wait *wait)
{
    return wait->timed_out || wait->cut || wait->unheard;
}

/* Must come in pairs on one thread. Between them thread cancellation is off and,
 * with `tls`, SIGPIPE cannot reach the thread (libmariadb's TLS writes raise it). On a fiber
 * both are the affair of whoever runs it. */
void pool__wait_begin(struct pool__wait *wait, bool tls);
void pool__wait_end(struct pool__wait *wait);

/* Sets the limits of this thread's running call aside, or puts them back; returns those before. */
struct pool__wait *pool__wait_swap(struct pool__wait *wait);

/* True if the call's time is up, or it has been cut: for loops that read what is there
 * already and so never come to wait. Looking for a cut is a system call. Keeps the socket
 * like the hook does. */
bool pool__wait_is_over(struct pool__wait *wait, int fd, bool look_at_cut);

/* On a fiber, inside a call: lets others run until somebody wakes it, or its time is up; or, if
 * `stops_deadline`, for any time, by which the call's own is then longer. */
void pool__wait_pause(bool stops_deadline);

/* Whether everything has to stop. One system call. */
bool pool__is_cut(int cut_fd);

/* Makes the socket non-blocking and close-on-exec. */
void pool__wait_prepare_socket(int fd);

/* For MARIADB_OPT_IO_WAIT. my_socket is int, my_bool is char. */
int pool__wait_hook(int fd, char for_read, int ignored_timeout);

#endif
