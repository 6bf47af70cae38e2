/*
 * Tests of pool/conn/wait.c: how long libmariadb may wait for its socket. The socket is one of a
 * pair; no server is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sync.h"
#include "conn/wait.h"

static int ends[2];

static int set_up(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

static int tear_down(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void send_a_byte(void)
{
    assert_int_equal(send(ends[1], "x", 1, 0), 1);
}

/* What the hook says, in a call with these limits. */
static int wait_for_byte(struct pool__wait *wait)
{
    pool__wait_begin(wait, false);
    int said = pool__wait_hook(ends[0], 1, 0);
    int error = errno;
    pool__wait_end(wait);
    if (wait->kept_fd >= 0)
        close(wait->kept_fd);
    errno = error;
    return said;
}

static void assert_late(struct pool__wait wait)
{
    assert_int_equal(wait_for_byte(&wait), 0);
    assert_int_equal(errno, ETIMEDOUT);
    assert_true(wait.timed_out && !wait.cut);
    assert_true(wait.kept_fd >= 0);
}

static void what_comes_in_time_is_taken(void **state)
{
    (void)state;
    struct pool__wait wait = {.deadline_ns = pool__after_ms(pool__now_ns(), 60000), .cut_fd = -1};
    send_a_byte();
    assert_int_equal(wait_for_byte(&wait), 1);
    assert_false(wait.timed_out || wait.cut);
    assert_true(wait.reading && wait.kept_fd < 0);
}

static void without_a_deadline_anything_is_taken(void **state)
{
    (void)state;
    struct pool__wait wait = {.deadline_ns = POOL__FOREVER, .cut_fd = -1};
    send_a_byte();
    assert_int_equal(wait_for_byte(&wait), 1);
}

static void nothing_ends_at_the_deadline(void **state)
{
    (void)state;
    uint64_t deadline_ns = pool__after_ms(pool__now_ns(), 20);
    assert_late((struct pool__wait){.deadline_ns = deadline_ns, .cut_fd = -1});
    assert_true(pool__now_ns() >= deadline_ns);
}

/* Or bytes that trickle in would prolong it for ever. */
static void after_the_deadline_nothing_is_taken_any_more(void **state)
{
    (void)state;
    send_a_byte();
    assert_late((struct pool__wait){.deadline_ns = pool__now_ns(), .cut_fd = -1});
}

static void a_cut_ends_any_wait(void **state)
{
    (void)state;
    struct pool__wait wait = {.deadline_ns = POOL__FOREVER,
                              .cut_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)};
    assert_int_equal(wait_for_byte(&wait), 0);
    assert_true(wait.cut && !wait.timed_out);
    close(wait.cut_fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_comes_in_time_is_taken),  TEST(without_a_deadline_anything_is_taken),
        TEST(nothing_ends_at_the_deadline), TEST(after_the_deadline_nothing_is_taken_any_more),
        TEST(a_cut_ends_any_wait),
    };
    return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
