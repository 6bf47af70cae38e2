/*
 * Tests of pool/conn/resolve.c with a scripted resolver: the linker sends glibc's asynchronous
 * look-up through the wrappers below, which answer when and what the test wants. Nothing
 * is asked on any network.
 *
 * One test asks the real resolver for this machine. It is left out under ThreadSanitizer,
 * which crashes in the thread that glibc starts for getaddrinfo_a, in any program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <limits.h>
#include <netdb.h>
#include <stdatomic.h>
#include <time.h>

#include "conn/resolve.h"
#include "base/sync.h"

static struct {
    bool real; /* ask glibc after all */
    bool no_memory;
    int start;              /* what getaddrinfo_a returns */
    int turns;              /* so often gai_error says that it is not done yet; < 0: always */
    int status;             /* what it says then */
    int cancel;             /* what gai_cancel returns */
    unsigned asked;         /* look-ups */
    _Atomic unsigned begun; /* the same, for other threads */
    unsigned waited;        /* with a time limit */
    unsigned waited_forever;
    long longest_ns; /* of those waits */
    bool hangs;      /* waits take the time that they are given */
    char name[256];
    struct gaicb *request;
} script;

void *__real_calloc(size_t count, size_t size);
int __real_getaddrinfo_a(int mode, struct gaicb **list, int count, struct sigevent *event);
int __real_gai_error(struct gaicb *request);
int __real_gai_suspend(const struct gaicb *const *list, int count, const struct timespec *timeout);
int __real_gai_cancel(struct gaicb *request);
void *__wrap_calloc(size_t count, size_t size);
int __wrap_getaddrinfo_a(int mode, struct gaicb **list, int count, struct sigevent *event);
int __wrap_gai_error(struct gaicb *request);
int __wrap_gai_suspend(const struct gaicb *const *list, int count, const struct timespec *timeout);
int __wrap_gai_cancel(struct gaicb *request);

void *__wrap_calloc(size_t count, size_t size)
{
    return script.no_memory ? NULL : __real_calloc(count, size);
}

int __wrap_getaddrinfo_a(int mode, struct gaicb **list, int count, struct sigevent *event)
{
    if (script.real)
        return __real_getaddrinfo_a(mode, list, count, event);
    script.asked++;
    script.request = list[0];
    snprintf(script.name, sizeof script.name, "%s", list[0]->ar_name);
    if (script.start == 0 && script.status == 0 && script.turns >= 0)
        getaddrinfo("127.0.0.1", NULL, NULL, &list[0]->ar_result);
    atomic_fetch_add(&script.begun, 1);
    return script.start;
}

int __wrap_gai_error(struct gaicb *request)
{
    if (script.real)
        return __real_gai_error(request);
    if (script.turns == 0)
        return script.status;
    script.turns -= script.turns > 0;
    return EAI_INPROGRESS;
}

int __wrap_gai_suspend(const struct gaicb *const *list, int count, const struct timespec *timeout)
{
    if (script.real)
        return __real_gai_suspend(list, count, timeout);
    script.waited += timeout != NULL;
    script.waited_forever += timeout == NULL;
    if (timeout && (timeout->tv_sec || timeout->tv_nsec > script.longest_ns))
        script.longest_ns = timeout->tv_sec ? LONG_MAX : timeout->tv_nsec;
    if (timeout && script.hangs)
        nanosleep(timeout, NULL);
    return EAI_AGAIN;
}

int __wrap_gai_cancel(struct gaicb *request)
{
    return script.real ? __real_gai_cancel(request) : script.cancel;
}

static int set_up(void **state)
{
    (void)state;
    memset(&script, 0, sizeof script);
    return 0;
}

static uint64_t in_ms(uint32_t ms)
{
    return pool__after_ms(pool__now_ns(), ms);
}

static struct pool__addresses found;

static bool resolves(const char *host, uint64_t deadline_ns, struct pool_error *err)
{
    return pool__resolve(host, deadline_ns, -1, &found, err);
}

static void assert_unresolved(const char *host, uint64_t deadline_ns, const char *why)
{
    struct pool_error err;
    assert_false(resolves(host, deadline_ns, &err));
    assert_int_equal(err.code, POOL_ERR_CONNECT);
    assert_int_equal(err.server_errno, 2005);
    assert_true(err.not_executed && err.fatal);
    assert_non_null(strstr(err.message, host));
    assert_non_null(strstr(err.message, why));
}

static void an_address_is_not_looked_up(void **state)
{
    (void)state;
    assert_true(resolves("192.0.2.1", in_ms(1000), NULL));
    assert_string_equal(found.text[0], "192.0.2.1");
    assert_true(resolves("2001:db8::1", in_ms(1000), NULL));
    assert_int_equal(found.count, 1);
    assert_int_equal(script.asked, 0);
}

static void a_name_is_looked_up_once(void **state)
{
    (void)state;
    assert_true(resolves("db.example.org", in_ms(10000), NULL));
    assert_int_equal(script.asked, 1);
    assert_string_equal(script.name, "db.example.org");
    assert_int_equal(script.waited + script.waited_forever, 0);
    assert_true(found.count > 0);
    assert_string_equal(found.text[0], "127.0.0.1");
}

static void a_slow_answer_is_waited_for_within_the_deadline(void **state)
{
    (void)state;
    script.turns = 3;
    assert_true(resolves("db.example.org", in_ms(600000), NULL));
    assert_int_equal(script.waited, 3);
    assert_int_equal(script.waited_forever, 0);
}

static void without_a_deadline_the_wait_goes_on(void **state)
{
    (void)state;
    script.turns = 300;
    assert_true(resolves("db.example.org", POOL__FOREVER, NULL));
    assert_int_equal(script.waited, 300);
}

static void a_wait_is_never_longer_than_a_moment(void **state)
{
    (void)state;
    script.turns = 3;
    assert_true(resolves("db.example.org", in_ms(600000), NULL));
    assert_in_range(script.longest_ns, 1, 20000000);
    assert_int_equal(script.waited_forever, 0);
}

static void a_name_that_nobody_has_is_told_with_the_reason(void **state)
{
    (void)state;
    script.status = EAI_NONAME;
    assert_unresolved("nowhere.example.org", in_ms(10000), gai_strerror(EAI_NONAME));
    assert_false(resolves("nowhere.example.org", in_ms(10000), NULL));
}

static void a_resolver_that_hangs_is_given_up_at_the_deadline(void **state)
{
    (void)state;
    script.turns = -1;
    script.cancel = EAI_CANCELED;
    uint64_t deadline = in_ms(20);
    assert_unresolved("slow.example.org", deadline, "no answer in time");
    assert_true(pool__now_ns() >= deadline);
}

static void a_deadline_in_the_past_waits_for_nothing(void **state)
{
    (void)state;
    script.turns = -1;
    script.cancel = EAI_CANCELED;
    assert_unresolved("slow.example.org", pool__now_ns() - 1, "no answer in time");
    assert_int_equal(script.waited + script.waited_forever, 0);
}

/* The resolver's thread still writes there. */
static void a_lookup_that_cannot_be_cancelled_keeps_its_memory(void **state)
{
    (void)state;
    script.turns = -1;
    script.cancel = EAI_NOTCANCELED;
    assert_unresolved("slow.example.org", pool__now_ns() - 1, "no answer in time");
    assert_string_equal(script.request->ar_name, "slow.example.org");
    script.request->ar_result = NULL;
    free(script.request); /* the first member of what was allocated */
}

/* The promise is of the release build; the best of a few, for the machine may be busy. */
static void the_end_does_not_wait_for_a_resolver_that_hangs(void **state)
{
    (void)state;
    uint64_t best_ns = UINT64_MAX;
    struct pool_error err;
    script.turns = -1;
    script.cancel = EAI_NOTCANCELED;
    script.hangs = true;
    for (int i = 0; i < 5; i++) {
        struct pool *pool = pool_create_url(
            "mysql://app:secret@db.example.org/shop?tls=off&minIdle=1&connectTimeout=4000", &err);
        assert_non_null(pool);
        uint64_t give_up = in_ms(60000);
        while ((int)atomic_load(&script.begun) == i && pool__now_ns() < give_up)
            ;
        uint64_t started = pool__now_ns();
        assert_true(pool_end(pool, 0, &err));
        uint64_t took_ns = pool__now_ns() - started;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
        free(script.request); /* the look-up's own memory, see above */
    }
    print_message("           pool_end(0): %d ms\n", (int)(best_ns / POOL__NS_PER_MS));
    assert_in_range(best_ns, 0, 1500 * POOL__NS_PER_MS);
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_in_range(best_ns, 0, 100 * POOL__NS_PER_MS);
#endif
}

static void a_lookup_that_cannot_start_is_a_lack_of_memory(void **state)
{
    (void)state;
    struct pool_error err;
    script.start = EAI_MEMORY;
    assert_false(resolves("db.example.org", in_ms(10000), &err));
    assert_int_equal(err.code, POOL_ERR_NOMEM);
    script.no_memory = true;
    assert_false(resolves("db.example.org", in_ms(10000), &err));
    script.no_memory = false;
    assert_int_equal(err.code, POOL_ERR_NOMEM);
    assert_int_equal(script.asked, 1);
}

#ifndef __SANITIZE_THREAD__
static void the_real_resolver_knows_this_machine(void **state)
{
    (void)state;
    struct pool_error err;
    script.real = true;
    if (!resolves("localhost", in_ms(30000), &err))
        fail_msg("%s", err.message);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_address_is_not_looked_up, set_up),
        cmocka_unit_test_setup(a_name_is_looked_up_once, set_up),
        cmocka_unit_test_setup(a_slow_answer_is_waited_for_within_the_deadline, set_up),
        cmocka_unit_test_setup(without_a_deadline_the_wait_goes_on, set_up),
        cmocka_unit_test_setup(a_wait_is_never_longer_than_a_moment, set_up),
        cmocka_unit_test_setup(a_name_that_nobody_has_is_told_with_the_reason, set_up),
        cmocka_unit_test_setup(a_resolver_that_hangs_is_given_up_at_the_deadline, set_up),
        cmocka_unit_test_setup(a_deadline_in_the_past_waits_for_nothing, set_up),
        cmocka_unit_test_setup(a_lookup_that_cannot_be_cancelled_keeps_its_memory, set_up),
        cmocka_unit_test_setup(the_end_does_not_wait_for_a_resolver_that_hangs, set_up),
        cmocka_unit_test_setup(a_lookup_that_cannot_start_is_a_lack_of_memory, set_up),
#ifndef __SANITIZE_THREAD__
        cmocka_unit_test_setup(the_real_resolver_knows_this_machine, set_up),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
