/*
 * Tests of pool/base/event.h. No server is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/event.h"

static void what_an_event_is_about_comes_back(void **state)
{
    (void)state;
    static const struct pool__event events[] = {
        {0, 0, 0}, {3, 0, 0}, {0, (1u << 30) - 1, 0}, {0, 0, UINT32_MAX}, {2, 4095, 7}};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        struct pool__event back = pool__event_unpack(pool__event_pack(events[i]));
        assert_int_equal(back.kind, events[i].kind);
        assert_int_equal(back.number, events[i].number);
        assert_int_equal(back.serial, events[i].serial);
    }
}

static void epoll_says_what_it_was_told(void **state)
{
    (void)state;
    struct epoll_event said;
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int fd = eventfd(1, EFD_CLOEXEC);
    assert_false(pool__event_watch(epoll_fd, EPOLL_CTL_MOD, fd, EPOLLIN, (struct pool__event){0}));
    assert_int_equal(errno, ENOENT);
    assert_true(pool__event_watch(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLONESHOT,
                                  (struct pool__event){.kind = 1, .number = 5, .serial = 9}));
    assert_int_equal(epoll_wait(epoll_fd, &said, 1, 1000), 1);
    assert_int_equal(pool__event_unpack(said.data.u64).number, 5);
    assert_int_equal(epoll_wait(epoll_fd, &said, 1, 0), 0);
    close(fd);
    close(epoll_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_event_is_about_comes_back),
        cmocka_unit_test(epoll_says_what_it_was_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
