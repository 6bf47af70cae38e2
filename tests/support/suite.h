/*
 * The main function of a suite that needs a server:
 *
 *     int main(int argc, char **argv)
 *     {
 *         const struct CMUnitTest tests[] = {...};
 *         return server_suite_main(argc, argv, tests);
 *     }
 *
 * The program takes one argument, if any: a pattern for the names of the tests to run. Without
 * a server it says under what to run it, and its status is 2. tests/tools/run-all gives a server
 * to each suite that has this main function. Include cmocka.h first.
 */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define server_suite_main(argc, argv, tests) server_suite_main_with(argc, argv, tests, NULL, NULL)

/* What is set up and torn down once, around all tests. */
#define server_suite_main_with(argc, argv, tests, set_up, tear_down)                               \
    run_server_suite(argc, argv, tests, sizeof(tests) / sizeof((tests)[0]), set_up, tear_down)

int run_server_suite(int argc, char **argv, const struct CMUnitTest *tests, size_t count,
                     CMFixtureFunction set_up, CMFixtureFunction tear_down);

#ifdef __cplusplus
}
#endif

#endif
