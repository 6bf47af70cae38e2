/*
 * The one place where a call to libmariadb can sleep.
 *
 * The socket is non-blocking, so libmariadb asks the hook whenever there is nothing
 * to read or no room to write. On a caller's or a worker's thread the hook polls
 * until the call's own deadline, which makes the deadline exact for plain and TLS
 * connections alike, however slowly the bytes trickle in; on a fiber it lets others
 * run until then. The timeout that libmariadb passes is in seconds or milliseconds,
 * depending on the caller, and is ignored.
 *
 * The hook is entered only when libmariadb would block. Whoever enters it after the
 * deadline gets no more, whatever is there by then: so a peer that sends slower than we
 * read ends at the deadline, in the middle of a packet, too. One that sends faster than we
 * read is bounded by the size of the packet alone; between packets the reader of rows looks
 * at the time (reply.c). Whoever waits already is given what came in time.
 *
 * A sleep that lasts very long is interrupted to ask the kernel whether the other side
 * acknowledges what was sent (tcp.c).
 *
 * When the deadline has passed libmariadb closes its socket at once, while the
 * server may still be running the statement. The hook keeps a duplicate: as long as
 * the server has not closed its end, its thread, and the thread's id, are alive.
 */
#include "conn/wait.h"

#include "base/fiber.h"
#include "base/sync.h"
#include "conn/tcp.h"
#include "core/hooked.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include <openssl/err.h>

#define LOOKS 4 /* per unheard_ms */

static _Thread_local struct pool__wait *current;

/* Functions of their own, because between two uses a fiber may have changed threads. */
__attribute__((noinline)) static struct pool__wait *get_current(void)
{
    return current;
}

__attribute__((noinline)) static void set_current(struct pool__wait *wait)
{
    current = wait;
}

struct pool__wait *pool__wait_swap(struct pool__wait *wait)
{
    struct pool__wait *before = get_current();
    set_current(wait);
    return before;
}

void pool__sigpipe_block(struct pool__sigpipe *sigpipe)
{
    sigset_t pending;
    sigset_t pipe_only;
    sigset_t before;
    sigpending(&pending);
    sigpipe->was_pending = sigismember(&pending, SIGPIPE);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    sigpipe->blocked = !sigismember(&before, SIGPIPE);
}

/* A SIGPIPE of our own making is taken away before the mask is lifted. */
void pool__sigpipe_unblock(struct pool__sigpipe *sigpipe)
{
    sigset_t pipe_only;
    struct timespec at_once = {0, 0};
    if (!sigpipe->blocked)
        return;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    if (!sigpipe->was_pending)
        while (sigtimedwait(&pipe_only, NULL, &at_once) == -1 && errno == EINTR)
            ;
    pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL);
}

void pool__wait_begin(struct pool__wait *wait, bool tls)
{
    bool on_thread = !pool__fiber_current();
    wait->before_sleep = NULL;
    wait->timed_out = false;
    wait->cut = false;
    wait->unheard = false;
    wait->reading = false;
    wait->kept_fd = -1;
    wait->tls = tls;
    wait->sigpipe.blocked = false;
    wait->outer = get_current();
    set_current(wait);
    if (on_thread)
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &wait->cancel_state);
    if (tls && on_thread)
        pool__sigpipe_block(&wait->sigpipe);
    /* Leftovers of the program's own TLS would be taken for errors of ours. */
    if (tls)
        ERR_clear_error();
}

void pool__wait_end(struct pool__wait *wait)
{
    pool__sigpipe_unblock(&wait->sigpipe);
    set_current(wait->outer);
    if (!pool__fiber_current())
        pthread_setcancelstate(wait->cancel_state, NULL);
}

void pool__wait_prepare_socket(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int give_up(struct pool__wait *wait, int fd)
{
    if (wait->kept_fd < 0)
        wait->kept_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    errno = ETIMEDOUT;
    return 0;
}

static bool is_past(uint64_t deadline_ns)
{
    return deadline_ns != POOL__FOREVER && pool__now_ns() >= deadline_ns;
}

static int poll_until(struct pollfd *fds, nfds_t count, uint64_t deadline_ns)
{
    struct timespec left;
    struct timespec *timeout = NULL;
    if (deadline_ns != POOL__FOREVER) {
        uint64_t now = pool__now_ns();
        uint64_t ns = deadline_ns > now ? deadline_ns - now : 0;
        left = pool__timespec(ns);
        timeout = &left;
    }
    return ppoll(fds, count, timeout, NULL);
}

/* Sleeps on this thread. */
static enum pool__wake sleep_here(const struct pool__wait *wait, int fd, bool for_read,
                                  uint64_t deadline_ns)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = fd, .events = for_read ? POLLIN : POLLOUT},
                                {.fd = wait->cut_fd, .events = POLLIN}};
        int ready = poll_until(fds, 2, deadline_ns);
        /* A descriptor that cannot be polled gives its own error when it is used. */
        if ((ready < 0 && errno != EINTR) || (ready > 0 && fds[0].revents))
            return POOL__WAKE_READY;
        if (ready > 0)
            return POOL__WAKE_CUT;
        if (ready == 0 || pool__now_ns() >= deadline_ns)
            return POOL__WAKE_LATE;
    }
}

/* On a fiber, others run meanwhile, with limits of their own. */
static enum pool__wake await_on_fiber(struct pool__fiber *fiber, struct pool__wait *wait, int fd,
                                      bool for_read, uint64_t deadline_ns)
{
    struct pool__wait *mine = pool__wait_swap(NULL);
    struct pool__hooked *hooked = pool__hooked_swap(NULL);
    enum pool__wake wake = pool__fiber_await(fiber, fd, for_read, deadline_ns);
    pool__hooked_swap(hooked);
    set_current(mine);
    if (wait->tls)
        ERR_clear_error(); /* those of others, meanwhile */
    return wake;
}

void pool__wait_pause(bool stops_deadline)
{
    struct pool__wait *wait = get_current();
    struct pool__fiber *fiber = pool__fiber_current();
    uint64_t began_ns = pool__now_ns();
    /* A deadline that passes meanwhile is noticed before the next row. */
    uint64_t until_ns = stops_deadline ? POOL__FOREVER : wait->deadline_ns;
    if (await_on_fiber(fiber, wait, -1, true, until_ns) == POOL__WAKE_CUT)
        wait->cut = true;
    if (stops_deadline && wait->deadline_ns != POOL__FOREVER)
        wait->deadline_ns += pool__now_ns() - began_ns;
}

bool pool__is_cut(int cut_fd)
{
    struct pollfd cut = {.fd = cut_fd, .events = POLLIN};
    return cut_fd >= 0 && poll(&cut, 1, 0) > 0;
}

bool pool__wait_is_over(struct pool__wait *wait, int fd, bool look_at_cut)
{
    wait->cut = wait->cut || (look_at_cut && pool__is_cut(wait->cut_fd));
    wait->timed_out = wait->timed_out || is_past(wait->deadline_ns);
    struct pool__fiber *fiber = look_at_cut ? pool__fiber_current() : NULL;
    if (fiber)
        await_on_fiber(fiber, wait, -1, true, 0); /* others first */
    if (wait->cut || wait->timed_out)
        give_up(wait, fd);
    return wait->cut || wait->timed_out;
}

static uint64_t look_ns(const struct pool__wait *wait)
{
    return wait->unheard_ms * POOL__NS_PER_MS / LOOKS;
}

/* When to ask for the first time whether anybody is there. Most sleeps are short. */
static uint64_t first_look_ns(const struct pool__wait *wait)
{
    return wait->unheard_ms ? pool__about_now_ns() + look_ns(wait) : POOL__FOREVER;
}

static enum pool__wake sleep_until(struct pool__wait *wait, int fd, bool for_read,
                                   uint64_t deadline_ns)
{
    struct pool__fiber *fiber = pool__fiber_current();
    struct pool__silence silence = {0, 0};
    uint64_t listen_ns = first_look_ns(wait);
    for (;;) {
        uint64_t pause_ns = wait->before_sleep ? wait->before_sleep(wait) : POOL__FOREVER;
        uint64_t until_ns = pool__earlier(deadline_ns, pool__earlier(pause_ns, listen_ns));
        enum pool__wake wake = fiber ? await_on_fiber(fiber, wait, fd, for_read, until_ns)
                                     : sleep_here(wait, fd, for_read, until_ns);
        if (wake != POOL__WAKE_LATE || until_ns == deadline_ns)
            return wake;
        if (until_ns != listen_ns)
            continue;
        uint64_t now = pool__now_ns(); /* the machine may have been asleep since listen_ns */
        wait->unheard = pool__tcp_is_unheard(&silence, fd, now, wait->unheard_ms);
        if (wait->unheard)
            return POOL__WAKE_LATE;
        listen_ns = now + look_ns(wait);
    }
}

/* libmariadb would block: what that says of its call. */
static void note_entry(struct pool__wait *wait, int fd, bool for_read)
{
    if (wait->connecting)
        pool__wait_prepare_socket(fd);
    if (wait->connecting && wait->on_entry)
        wait->on_entry(wait);
    /* After a failed write the library may still try to read: that proves nothing. */
    if (for_read && !pool__wait_was_ended(wait))
        wait->reading = true;
}

/* Its time was up before it came here. */
static bool is_late(struct pool__wait *wait)
{
    if (!wait->unheard && is_past(wait->deadline_ns))
        wait->timed_out = true;
    return wait->unheard || wait->timed_out;
}

/* Until when the call may sleep now. */
static uint64_t limit_of(const struct pool__wait *wait)
{
    bool reaching = wait->connecting && wait->reach_ns && !wait->reading;
    return reaching ? pool__earlier(wait->reach_ns, wait->deadline_ns) : wait->deadline_ns;
}

/* True if the call may go on. */
static bool note_wake(struct pool__wait *wait, enum pool__wake wake, uint64_t limit_ns)
{
    switch (wake) {
    case POOL__WAKE_CUT: wait->cut = true; return false;
    case POOL__WAKE_LATE:
        wait->timed_out = !wait->unheard && limit_ns == wait->deadline_ns;
        wait->reach_ns = 0; /* libmariadb may go on to the next address */
        return false;
    case POOL__WAKE_READY: break;
    }
    return true;
}

int pool__wait_hook(int fd, char for_read, int ignored_timeout)
{
    (void)ignored_timeout;
    struct pool__wait *wait = get_current();
    struct pool__wait unlimited = {.deadline_ns = POOL__FOREVER, .cut_fd = -1, .kept_fd = -1};
    if (!wait)
        wait = &unlimited; /* the program's own use of pool_conn_native */
    note_entry(wait, fd, for_read);
    if (is_late(wait))
        return give_up(wait, fd);
    uint64_t limit_ns = limit_of(wait);
    enum pool__wake wake = sleep_until(wait, fd, for_read, limit_ns);
    return note_wake(wait, wake, limit_ns) ? 1 : give_up(wait, fd);
}
