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

#include <locale.h>
#include <spawn.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

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
    assert_int_not_equal(strcasecmp("i", "I"), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_behind_a_small_in_is_one),
    };
    return cmocka_run_group_tests(tests, speak_turkish, remove_folder);
}
