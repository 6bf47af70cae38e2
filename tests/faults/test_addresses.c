/*
 * A host with several addresses, of which the first is no good.
 *
 * Who asks for the addresses of a name, the pool by getaddrinfo_a or libmariadb by
 * getaddrinfo, is answered by this program: these are the addresses of HOST. The server
 * listens on 127.0.0.1; so 127.0.0.2 refuses, unless a listener with a full backlog makes
 * it silent, for then the kernel drops what asks for a connection.
 *
 * Needs a server: MYPOOL_URL, MYPOOL_CA.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <mypool.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy.h"
#include "suite.h"

#define GENEROUS 15000
#define LATE 4000
#define FILLERS 8
#define HOST "localhost"
#define GOOD "127.0.0.1"
#define OTHER "127.0.0.2"

static struct fixture {
    struct pool *pool;
    unsigned port;            /* of the server */
    const char *host;         /* whose addresses these are */
    const char *addresses[4]; /* in this order; NULL ends them */
    int silent;
    int fillers[FILLERS];
    bool far; /* the port is that of a proxy that is late */
} f;

typedef int getaddrinfo_fn(const char *node, const char *service, const struct addrinfo *hints,
                           struct addrinfo **ret_list);
getaddrinfo_fn intercepted_getaddrinfo __asm__("getaddrinfo");

/* libmariadb's calls come here. */
int intercepted_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                            struct addrinfo **ret_list)
{
    getaddrinfo_fn *real;
    struct addrinfo **end = ret_list;
    int status = 0;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(node, f.host) != 0)
        return real(node, service, hints, ret_list);
    for (unsigned i = 0; f.addresses[i] && status == 0; i++) {
        status = real(f.addresses[i], service, hints, end);
        end = &(*end)->ai_next;
    }
    return status;
}

int __wrap_getaddrinfo_a(int mode, struct gaicb **list, int count, struct sigevent *event);
int __wrap_gai_error(struct gaicb *request);

/* The pool's come here. */
int __wrap_getaddrinfo_a(int mode, struct gaicb **list, int count, struct sigevent *event)
{
    (void)mode, (void)count, (void)event;
    return intercepted_getaddrinfo(list[0]->ar_name, NULL, list[0]->ar_request,
                                   &list[0]->ar_result);
}

int __wrap_gai_error(struct gaicb *request)
{
    (void)request;
    return 0;
}

/* Port 0 is any; returns which. */
static unsigned make_silent(const char *address, unsigned port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof name;
    int on = 1;
    inet_pton(AF_INET, address, &name.sin_addr);
    f.silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(f.silent, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(f.silent, (struct sockaddr *)&name, size), 0);
    assert_int_equal(listen(f.silent, 0), 0);
    assert_int_equal(getsockname(f.silent, (struct sockaddr *)&name, &size), 0);
    for (int i = 0; i < FILLERS; i++) {
        f.fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(f.fillers[i], (struct sockaddr *)&name, size);
    }
    return ntohs(name.sin_port);
}

/* `verify`: with TLS that needs the name. */
static void make_pool(const char *first, const char *second, unsigned port, bool verify,
                      uint32_t connect_ms)
{
    struct pool_options options = {
        .host = f.host,
        .port = port,
        .user = "app",
        .password = "secret",
        .auth_plugins = "mysql_native_password,caching_sha2_password",
        .tls = verify ? POOL_TLS_VERIFY : POOL_TLS_OFF,
        .tls_ca = verify ? getenv("MYPOOL_CA") : NULL,
        .connect_timeout_ms = connect_ms,
        .fail_fast_ms = 1,
    };
    struct pool_error err;
    f.addresses[0] = first;
    f.addresses[1] = second;
    f.pool = pool_create(&options, &err);
    if (!f.pool)
        fail_msg("%s", err.message);
}

static void assert_works(void)
{
    struct pool_error err;
    if (!pool_ping(f.pool, &err))
        fail_msg("%s: %s", pool_code_name(err.code), err.message);
}

static unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static struct pool_stats stats_now(void)
{
    struct pool_stats stats;
    pool_stats(f.pool, &stats);
    return stats;
}

static void an_address_that_refuses_is_passed_over(void **state)
{
    (void)state;
    make_pool(OTHER, GOOD, f.port, false, GENEROUS);
    assert_works();
    assert_int_equal(stats_now().connect_failures, 0);
}

static void an_address_that_refuses_is_passed_over_with_verified_tls(void **state)
{
    (void)state;
    make_pool(OTHER, GOOD, f.port, true, GENEROUS);
    assert_works();
    assert_int_equal(stats_now().connect_failures, 0);
}

static void an_address_that_refuses_leaves_no_descriptor(void **state)
{
    (void)state;
    unsigned before = descriptors();
    make_pool(OTHER, GOOD, f.port, false, GENEROUS);
    for (unsigned i = 1; i <= 5; i++) {
        struct pool_conn conn;
        assert_true(pool_get_connection(f.pool, &conn, NULL));
        assert_true(pool_conn_destroy(conn, NULL));
        assert_within(GENEROUS, stats_now().closed == i && stats_now().closing == 0);
    }
    pool_end(f.pool, GENEROUS, NULL);
    f.pool = NULL;
    assert_int_equal(descriptors(), before);
}

static void an_address_that_is_silent_is_passed_over_in_time(void **state)
{
    (void)state;
    make_silent(OTHER, f.port);
    make_pool(OTHER, GOOD, f.port, false, 3000);
    assert_works();
    assert_int_equal(stats_now().connect_failures, 0);
}

static void an_address_that_is_silent_is_passed_over_with_verified_tls(void **state)
{
    (void)state;
    make_silent(OTHER, f.port);
    make_pool(OTHER, GOOD, f.port, true, 3000);
    assert_works();
    assert_int_equal(stats_now().connect_failures, 0);
}

/* Half of the deadline would be 7.5 s. */
static void assert_soon(bool verify, uint64_t least_ms)
{
    uint64_t begin = now_ms();
    make_pool(f.addresses[0], f.addresses[1], f.port, verify, GENEROUS);
    assert_works();
    assert_in_range(now_ms() - begin, least_ms, LATE);
    assert_int_equal(stats_now().connect_failures, 0);
}

static void a_second_address_is_tried_after_a_quarter_of_a_second(void **state)
{
    (void)state;
    make_silent(OTHER, f.port);
    f.addresses[0] = OTHER;
    f.addresses[1] = GOOD;
    assert_soon(false, 249);
}

static void so_it_is_with_verified_tls(void **state)
{
    (void)state;
    make_silent(OTHER, f.port);
    f.addresses[0] = OTHER;
    f.addresses[1] = GOOD;
    assert_soon(true, 249);
}

static void a_third_address_comes_next(void **state)
{
    (void)state;
    make_silent(OTHER, f.port);
    f.addresses[0] = f.addresses[1] = OTHER;
    f.addresses[2] = GOOD;
    assert_soon(false, 499);
}

/* Where a greeting takes its time, libmariadb is told the name for each address. */
static void move_far_away(void)
{
    start_proxy();
    set_proxy(&proxy.late, true);
    f.port = proxy.port;
    f.far = true;
}

static void a_third_address_far_away_comes_next_with_verified_tls(void **state)
{
    (void)state;
    move_far_away();
    make_silent(OTHER, f.port);
    f.addresses[0] = f.addresses[1] = OTHER;
    f.addresses[2] = GOOD;
    assert_soon(true, 499);
}

/* The certificate is good for the address, too. */
static void assert_name_is_verified(void)
{
    struct pool_error err;
    f.host = "db.example";
    make_pool(OTHER, GOOD, f.port, true, GENEROUS);
    assert_false(pool_ping(f.pool, &err));
    assert_int_equal(err.code, POOL_ERR_TLS);
    assert_non_null(strstr(err.message, "Validation of SSL server certificate failed"));
}

/* Whether libmariadb has to wait for the handshake is a matter of luck here. */
static void it_is_the_name_that_is_verified(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_name_is_verified();
        pool_end(f.pool, 0, NULL);
        f.pool = NULL;
    }
}

static void it_is_the_name_that_is_verified_far_away(void **state)
{
    (void)state;
    move_far_away();
    assert_name_is_verified();
}

static void an_address_that_answers_is_not_passed_over(void **state)
{
    struct pool_error err;
    (void)state;
    make_pool(GOOD, OTHER, f.port, false, GENEROUS);
    assert_works();
    pool_end(f.pool, GENEROUS, NULL);
    make_pool(GOOD, OTHER, f.port, true, GENEROUS);
    assert_true(pool_ping(f.pool, &err));
}

static void assert_timely(const char *first, const char *second, unsigned port)
{
    struct pool_error err;
    make_pool(first, second, port, false, 400);
    uint64_t begin = now_ms();
    assert_false(pool_ping(f.pool, &err));
    assert_in_range(now_ms() - begin, 399, 400 + LATE);
    assert_int_equal(err.code, POOL_ERR_CONNECT);
    begin = now_ms();
    pool_end(f.pool, 0, NULL);
    f.pool = NULL;
    assert_in_range(now_ms() - begin, 0, LATE);
}

static void addresses_that_are_all_silent_share_one_deadline(void **state)
{
    (void)state;
    assert_timely(OTHER, OTHER, make_silent(OTHER, 0));
}

static void a_silent_address_after_one_that_refuses_has_the_whole_deadline(void **state)
{
    (void)state;
    assert_timely(GOOD, OTHER, make_silent(OTHER, 0));
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.silent = -1;
    f.host = HOST;
    f.port = (unsigned)strtoul(getenv("MYPOOL_SERVER_PORT"), NULL, 10);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (f.pool)
        pool_end(f.pool, 0, NULL);
    for (int i = 0; f.silent >= 0 && i < FILLERS; i++)
        close(f.fillers[i]);
    if (f.silent >= 0)
        close(f.silent);
    if (f.far)
        stop_proxy();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(an_address_that_refuses_is_passed_over),
        TEST(an_address_that_refuses_is_passed_over_with_verified_tls),
        TEST(an_address_that_refuses_leaves_no_descriptor),
        TEST(an_address_that_is_silent_is_passed_over_in_time),
        TEST(an_address_that_is_silent_is_passed_over_with_verified_tls),
        TEST(a_second_address_is_tried_after_a_quarter_of_a_second),
        TEST(so_it_is_with_verified_tls),
        TEST(a_third_address_comes_next),
        TEST(a_third_address_far_away_comes_next_with_verified_tls),
        TEST(it_is_the_name_that_is_verified),
        TEST(it_is_the_name_that_is_verified_far_away),
        TEST(an_address_that_answers_is_not_passed_over),
        TEST(addresses_that_are_all_silent_share_one_deadline),
        TEST(a_silent_address_after_one_that_refuses_has_the_whole_deadline),
    };
    return server_suite_main(argc, argv, tests);
}
