/*
 * A group of tests has the name of its program. That there is a server is seen by its addresses,
 * which tests/tools/with-mariadb exports; somebody who has a server of another make may give one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int run_server_suite(int argc, char **argv, const struct CMUnitTest *tests, size_t count,
                     CMFixtureFunction set_up, CMFixtureFunction tear_down)
{
    const char *slash = strrchr(argv[0], '/');
    if (!getenv("MYPOOL_URL") && !getenv("MYPOOL_SOCKET_URL")) {
        fprintf(stderr, "run me under tests/tools/with-mariadb\n");
        return 2;
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests(slash ? slash + 1 : argv[0], tests, count, set_up, tear_down);
}
