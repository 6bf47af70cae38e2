/*
 * Tests in a program whose language is Turkish, in a character set of one byte. There the small
 * letter of I is another one than i: what SQL and options call the same must not depend on
 * that. No server is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ctype.h>
#include <locale.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/setup_check.h"
#include "mypool.h"

extern char **environ;

static char folder[] = "/tmp/mypool-language-XXXXXX";

static void run(char *const args[])
{
    pid_t child;
    int status;
    assert_int_equal(posix_spawnp(&child, args[0], NULL, NULL, args, environ), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static int speak_turkish(void **state)
{
    (void)state;
    char path[sizeof folder + 32];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/tr_TR.ISO-8859-9", folder);
    run((char *const[]){"localedef", "-i", "tr_TR", "-f", "ISO-8859-9", path, NULL});
    assert_int_equal(setenv("LOCPATH", folder, 1), 0);
    assert_non_null(setlocale(LC_ALL, "tr_TR.ISO-8859-9"));
    assert_int_not_equal(tolower('I'), 'i');
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    setlocale(LC_ALL, "C");
    run((char *const[]){"rm", "-r", folder, NULL});
    return 0;
}

static void an_empty_list_behind_a_small_in_is_one(void **state)
{
    (void)state;
    struct pool_error err;
    char *text = pool_format("select 1 in (?)", POOL_ARGS(pool_list(NULL, 0)), &err);
    if (!text)
        fail_msg("%s", err.message);
    free(text);
}

static void a_variable_of_the_pools_own_is_refused_in_capitals(void **state)
{
    (void)state;
    static const char *const owned[] = {"SESSION_TRACK_SYSTEM_VARIABLES=''", "TX_ISOLATION=1",
                                        "AUTOCOMMIT=1"};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        struct pool_error err;
        const char *const variables[] = {owned[i], NULL};
        struct pool_options options = {.session_variables = variables};
        assert_false(pool__setup_check(&options, &err));
    }
    assert_true(pool__setup_check_same_variable("wait_timeout=1", "WAIT_TIMEOUT=2"));
}

static void the_scheme_of_a_url_may_be_in_capitals(void **state)
{
    (void)state;
    struct pool_error err;
    struct pool_options options;
    void *memory = NULL;
    if (!pool_options_from_url("MARIADB://db/", &options, &memory, &err))
        fail_msg("%s", err.message);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_behind_a_small_in_is_one),
        cmocka_unit_test(a_variable_of_the_pools_own_is_refused_in_capitals),
        cmocka_unit_test(the_scheme_of_a_url_may_be_in_capitals),
    };
    return cmocka_run_group_tests(tests, speak_turkish, remove_folder);
}
