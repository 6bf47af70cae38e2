/*
 * What becomes of the password, what messages say about it, and which libmariadb the
 * pool works with.
 *
 * The password is looked for in all memory of this process that can be written, by
 * reading /proc/self/mem. It is a string literal here, in memory that cannot be
 * written. The user that has it is made by a child process, and a scripted server that
 * is told it in clear is a child process as well, so that every copy that is found is
 * the library's. The version that libmariadb claims is this program's own invention.
 *
 * Needs a server: MYPOOL_URL, MYPOOL_ADMIN_URL.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <mypool.h>
#include <mysql.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define PATIENCE_S 60
/* Long, so that what is sent after the login cannot happen to overwrite all of a packet. */
#define PASSWORD                                                                                   \
    "canary-4e1c9a07-0123456789abcdefghijklmnopqrstuvwxyz-0123456789abcdefghijklmnopqrstuvwxyz-"   \
    "0123456789abcdefghijklmnopqrstuvwxyz-0123456789abcdefghijklmnopqrstuvwxyz-0123456789abcdef-"  \
    "ghijklmnopqrstuvwxyz-end"
#define BEGINNING "canary-4e1c9a07"       /* what must be in no message */
#define ENDING "ghijklmnopqrstuvwxyz-end" /* what no part of memory may end with */

static unsigned long claimed_version = MARIADB_PACKAGE_VERSION_ID;

unsigned long STDCALL mysql_get_client_version(void)
{
    return claimed_version;
}

/* ------------------------------------------------------------------------
 * Looking through memory
 */

#define MOST_FOUND 16
#define CHUNK ((size_t)1 << 16)

static struct findings {
    unsigned count;
    unsigned in_core_files; /* of them, in memory that the kernel would dump */
    unsigned inherited;     /* of them, in memory that a child process gets */
} found;

static char smaps[1 << 22];
static char window[CHUNK + 64];

static void read_smaps(void)
{
    int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t count;
    while (len < sizeof smaps - 1 && (count = read(fd, smaps + len, sizeof smaps - 1 - len)) > 0)
        len += (size_t)count;
    smaps[len] = '\0';
    close(fd);
}

static unsigned count_in(const char *memory, size_t len, const char *what)
{
    unsigned count = 0;
    const char *at = memory;
    while ((at = memmem(at, len - (size_t)(at - memory), what, strlen(what)))) {
        count++;
        at++;
    }
    return count;
}

/* The window is wiped after each look, lest it finds itself. */
static unsigned count_in_mapping(int mem, uintptr_t begin, uintptr_t end, const char *what)
{
    unsigned count = 0;
    for (uintptr_t at = begin; at < end; at += CHUNK) {
        size_t wanted = CHUNK + strlen(what) - 1; /* one may lie across two chunks */
        if (wanted > end - at)
            wanted = end - at;
        ssize_t len = pread(mem, window, wanted, (off_t)at);
        if (len > 0)
            count += count_in(window, (size_t)len, what);
        explicit_bzero(window, sizeof window);
    }
    return count;
}

/* A mapping of more than a gibibyte is a sanitizer's shadow. */
static bool is_interesting(const char *access, uintptr_t begin, uintptr_t end)
{
    return access[0] == 'r' && access[1] == 'w' && end - begin <= (uintptr_t)1 << 30;
}

/* What must not be there: the end of the password, which outlives a free. */
static struct findings look_for(const char *what)
{
    struct findings all = {0};
    unsigned here = 0;
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    read_smaps();
    for (char *line = smaps; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        uintptr_t begin, end;
        char access[5];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &begin, &end, access) == 3)
            here = is_interesting(access, begin, end) ? count_in_mapping(mem, begin, end, what) : 0;
        if (strncmp(line, "VmFlags:", 8) != 0)
            continue;
        char flags[128] = {0};
        memccpy(flags, line, '\n', sizeof flags - 1);
        all.count += here;
        all.in_core_files += strstr(flags, " dd") ? 0 : here;
        all.inherited += strstr(flags, " wf") ? 0 : here;
    }
    close(mem);
    return all;
}

static unsigned copies(void)
{
    return look_for(ENDING).count;
}

static void the_search_finds_what_is_there(void **state)
{
    (void)state;
    char *copy = malloc(sizeof PASSWORD);
    assert_non_null(copy);
    assert_int_equal(copies(), 0);
    memcpy(copy, PASSWORD, sizeof PASSWORD);
    found = look_for(ENDING);
    explicit_bzero(copy, sizeof PASSWORD);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.in_core_files, 1);
    assert_int_equal(found.inherited, 1);
    assert_int_equal(copies(), 0);
    free(copy);
}

/* ------------------------------------------------------------------------
 * Messages
 */

/* Every text that any hook was given. */
static struct {
    pthread_mutex_t lock;
    char text[8192];
    size_t len;
    unsigned states;
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void hear(const char *text)
{
    pthread_mutex_lock(&told.lock);
    size_t left = sizeof told.text - told.len;
    if (text && left > 1)
        told.len += (size_t)snprintf(told.text + told.len, left, "%.*s\n", (int)left - 2, text);
    pthread_mutex_unlock(&told.lock);
}

static void note_state(enum pool_state state, const char *cause, void *arg)
{
    (void)state, (void)arg;
    told.states++;
    hear(cause);
}

static void note_query(const char *label, uint64_t digest, uint64_t elapsed_ns, uint64_t rows,
                       enum pool_code code, void *arg)
{
    (void)digest, (void)elapsed_ns, (void)rows, (void)code, (void)arg;
    hear(label);
}

static void note_leak(const char *label, uint32_t held_ms, void *arg)
{
    (void)held_ms, (void)arg;
    hear(label);
}

static const struct pool_hooks all_texts = {
    .on_state = note_state, .on_query = note_query, .on_leak = note_leak};

static void assert_silent(const char *message)
{
    if (strstr(message, BEGINNING) || strstr(told.text, BEGINNING))
        fail_msg("the password is in '%s' or in '%s'", message, told.text);
}

/* ------------------------------------------------------------------------
 * Pools
 */

static struct fixture {
    struct pool *pool;
    struct pool_options options; /* of the user `canary`, on the real server */
    void *url_memory;
    struct pool_error err;
    pid_t server;
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
} f;

static int make_user(void)
{
    struct pool_options admin;
    void *memory;
    MYSQL *mysql = mysql_init(NULL);
    if (!pool_options_from_url(getenv("MYPOOL_ADMIN_URL"), &admin, &memory, NULL))
        return 1;
    if (!mysql_real_connect(mysql, admin.host, admin.user, admin.password, NULL, admin.port, NULL,
                            0))
        return 2;
    if (mysql_query(mysql, "CREATE OR REPLACE USER canary IDENTIFIED BY '" PASSWORD "'"))
        return 3;
    return 0;
}

static int in_child(int (*fn)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE_S);
        _exit(fn());
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static int set_up_suite(void **state)
{
    (void)state;
    return in_child(make_user);
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    memset(told.text, 0, sizeof told.text);
    told.len = told.states = 0;
    if (!pool_options_from_url(getenv("MYPOOL_URL"), &f.options, &f.url_memory, &f.err))
        return 1;
    f.options.user = "canary";
    f.options.password = PASSWORD;
    f.options.database = NULL;
    f.options.hooks = all_texts;
    return 0;
}

static void end_pool(void)
{
    if (f.pool)
        pool_end(f.pool, 1000, NULL);
    f.pool = NULL;
}

static int tear_down(void **state)
{
    (void)state;
    end_pool();
    free(f.url_memory);
    if (f.server > 0) {
        kill(f.server, SIGKILL);
        waitpid(f.server, NULL, 0);
        unlink(f.path);
    }
    claimed_version = MARIADB_PACKAGE_VERSION_ID;
    return 0;
}

static void create(void)
{
    f.pool = pool_create(&f.options, &f.err);
    if (!f.pool)
        fail_msg("%s", f.err.message);
}

/* While the reset goes on the ping may wait and have one more connection opened; until
 * its login is over there is a second copy of the password. */
static void wait_until_logged_in(void)
{
    struct pool_stats stats;
    for (int i = 0; i < PATIENCE_S * 1000; i++) {
        pool_stats(f.pool, &stats);
        if (stats.connecting == 0)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("a connection is still being opened");
}

/* Opens `count` connections, uses them, resets one of them. */
static void use_connections(unsigned count)
{
    struct pool_conn conns[8];
    for (unsigned i = 0; i < count; i++) {
        struct pool_result *result = NULL;
        if (!pool_get_connection(f.pool, &conns[i], &f.err) ||
            !(result = pool_conn_query(conns[i], "SELECT ?", POOL_ARGS(1), &f.err)))
            fail_msg("%s", f.err.message);
        pool_result_free(result);
    }
    pool_result_free(pool_conn_query(conns[0], "SET @a = 1", POOL_NO_ARGS, NULL));
    for (unsigned i = 0; i < count; i++)
        pool_conn_release(conns[i], NULL);
    assert_true(pool_ping(f.pool, &f.err));
    wait_until_logged_in();
}

static void assert_one_guarded_copy(void)
{
    found = look_for(ENDING);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.in_core_files, 0);
    assert_int_equal(found.inherited, 0);
}

/* ------------------------------------------------------------------------
 * A server that asks for the password in clear, on a Unix socket
 */

enum script { SAY_IT_BACK, LET_IN, ASK_FOR_ED25519 };

static size_t hear_packet(int fd, unsigned char payload[4096])
{
    unsigned char header[4];
    if (recv(fd, header, 4, MSG_WAITALL) != 4)
        return 0;
    size_t len = header[0] | (size_t)header[1] << 8;
    if (len >= 4096 || recv(fd, payload, len, MSG_WAITALL) != (ssize_t)len)
        return 0;
    payload[len] = '\0';
    return len;
}

static void say_packet(int fd, unsigned sequence, const void *payload, size_t len)
{
    unsigned char packet[4096 + 4] = {(unsigned char)len, (unsigned char)(len >> 8), 0,
                                      (unsigned char)sequence};
    memcpy(packet + 4, payload, len);
    if (send(fd, packet, len + 4, MSG_NOSIGNAL) < 0)
        _exit(1);
}

#define SAY(fd, sequence, literal) say_packet(fd, sequence, literal, sizeof(literal) - 1)
#define OK_PACKET "\0\0\0\2\0\0\0"
#define EOF_PACKET "\xfe\0\0\2\0"
#define COLUMN "\3def\0\0\0\1n\0\x0c\x2d\0\xff\0\0\0\xfd\0\0\0\0\0"
#define GREETING                                                                                   \
    "\x0a"                                                                                         \
    "5.5.5-10.11.19-MariaDB\0"                                                                     \
    "\7\0\0\0"                                                                                     \
    "abcdefgh\0"                                                                                   \
    "\x8f\xa6"                                                                                     \
    "\x2d"                                                                                         \
    "\2\0"                                                                                         \
    "\x9e\0"                                                                                       \
    "\x15"                                                                                         \
    "\0\0\0\0\0\0\0\0\0\0"                                                                         \
    "ijklmnopqrst\0"                                                                               \
    "mysql_native_password\0"

/* A row of one digit for each column that the statement asks for. */
static void answer_select(int fd, const char *sql)
{
    unsigned columns = 1;
    unsigned char row[128];
    for (const char *c = sql; *c; c++)
        columns += *c == ',';
    say_packet(fd, 1, &(unsigned char){(unsigned char)columns}, 1);
    for (unsigned i = 0; i < columns; i++) {
        SAY(fd, 2 + i, COLUMN);
        row[2 * i] = 1;
        row[2 * i + 1] = '7';
    }
    SAY(fd, 2 + columns, EOF_PACKET);
    say_packet(fd, 3 + columns, row, 2u * columns);
    SAY(fd, 4 + columns, EOF_PACKET);
}

static void serve_statements(int fd)
{
    unsigned char payload[4096];
    while (hear_packet(fd, payload) > 0)
        if (payload[0] == 3 && strncmp((char *)payload + 1, "SELECT", 6) == 0)
            answer_select(fd, (char *)payload + 1);
        else
            SAY(fd, 1, OK_PACKET);
}

/* Over a Unix socket this plugin sends the password as it is when asked to. */
static void ask_in_clear(int fd, unsigned char ret_password[4096])
{
    SAY(fd, 2,
        "\xfe"
        "caching_sha2_password\0"
        "abcdefghijklmnopqrst\0");
    hear_packet(fd, ret_password);
    SAY(fd, 4, "\1\4");
    hear_packet(fd, ret_password);
}

static void serve(int fd, enum script script)
{
    unsigned char payload[4096];
    unsigned char refusal[4096] = "\xff\x15\x04#28000";
    SAY(fd, 0, GREETING);
    hear_packet(fd, payload);
    if (script == ASK_FOR_ED25519) {
        SAY(fd, 2,
            "\xfe"
            "client_ed25519\0"
            "abcdefghijklmnopqrstuvwxyz012345");
        hear_packet(fd, payload);
    } else {
        ask_in_clear(fd, payload);
    }
    if (script == SAY_IT_BACK) {
        int len = snprintf((char *)refusal + 9, sizeof refusal - 9, "no: %.2000s", payload);
        say_packet(fd, 6, refusal, 9 + (size_t)len);
        return;
    }
    SAY(fd, 6, OK_PACKET);
    serve_statements(fd);
}

static void serve_all(int listener, enum script script)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            _exit(1);
        serve(fd, script);
        close(fd);
    }
}

/* Makes the fixture's options lead to a server that follows the script. */
static void start_server(enum script script)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(f.path, sizeof f.path, "/tmp/mypool-security-%d", (int)getpid());
    memcpy(address.sun_path, f.path, sizeof f.path);
    unlink(f.path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    f.server = fork();
    if (f.server == 0) {
        alarm(PATIENCE_S);
        serve_all(listener, script);
    }
    assert_true(f.server > 0);
    close(listener);
    f.options.host = NULL;
    f.options.port = 0;
    f.options.socket = f.path;
}

/* ------------------------------------------------------------------------
 * The password in memory
 */

static void connections_keep_no_copy_of_the_password(void **state)
{
    (void)state;
    create();
    assert_one_guarded_copy();
    use_connections(4);
    assert_one_guarded_copy();
}

static void the_end_of_the_pool_leaves_nothing_of_the_password(void **state)
{
    (void)state;
    create();
    use_connections(4);
    end_pool();
    assert_int_equal(copies(), 0);
}

static void a_url_leaves_no_copy_behind(void **state)
{
    char url[1024];
    (void)state;
    snprintf(url, sizeof url, "mysql://canary:%s@%s:%u", PASSWORD, f.options.host, f.options.port);
    f.pool = pool_create_url(url, &f.err);
    explicit_bzero(url, sizeof url);
    assert_non_null(f.pool);
    assert_one_guarded_copy();
    use_connections(1);
    assert_one_guarded_copy();
    end_pool();
    assert_int_equal(copies(), 0);
}

static void a_refused_url_leaves_no_copy_behind(void **state)
{
    char url[1024];
    (void)state;
    snprintf(url, sizeof url, "mysql://canary:%s@%s/?no=1", PASSWORD, f.options.host);
    assert_null(pool_create_url(url, &f.err));
    explicit_bzero(url, sizeof url);
    assert_int_equal(copies(), 0);
}

static void a_password_that_is_sent_in_clear_stays_in_no_buffer(void **state)
{
    (void)state;
    start_server(LET_IN);
    create();
    if (!pool_ping(f.pool, &f.err))
        fail_msg("%s", f.err.message);
    assert_one_guarded_copy();
    end_pool();
    assert_int_equal(copies(), 0);
}

static int count_copies(void)
{
    return (int)copies();
}

static void a_child_process_does_not_inherit_the_password(void **state)
{
    (void)state;
    create();
    use_connections(2);
    assert_int_equal(in_child(count_copies), 0);
    assert_one_guarded_copy();
}

/* ------------------------------------------------------------------------
 * Authentication
 */

static void a_list_without_the_native_plugin_lets_the_others_in(void **state)
{
    (void)state;
    f.options.auth_plugins = "client_ed25519";
    start_server(ASK_FOR_ED25519);
    create();
    if (!pool_ping(f.pool, &f.err))
        fail_msg("%s", f.err.message);
    assert_one_guarded_copy();
}

static void a_name_that_contains_an_unsafe_one_is_as_unsafe(void **state)
{
    static const char *const lists[] = {"my_dialog", "client_ed25519,xmysql_clear_passwordx"};
    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        f.options.auth_plugins = lists[i];
        assert_null(pool_create(&f.options, &f.err));
        assert_int_equal(f.err.code, POOL_ERR_INVALID);
    }
}

/* ------------------------------------------------------------------------
 * The password in messages
 */

/* Fails to connect and asserts that nobody is told the password. */
static void assert_refused(enum pool_code code)
{
    create();
    assert_false(pool_ping(f.pool, &f.err));
    if (f.err.code != code)
        fail_msg("%s: %s", pool_code_name(f.err.code), f.err.message);
    assert_true(told.len > 0); /* on_state has given the cause */
    assert_silent(f.err.message);
}

static void a_wrong_password_is_not_shown(void **state)
{
    (void)state;
    f.options.password = BEGINNING "-wrong";
    assert_refused(POOL_ERR_AUTH);
}

static void the_password_of_an_unknown_user_is_not_shown(void **state)
{
    (void)state;
    f.options.user = "nobody";
    assert_refused(POOL_ERR_AUTH);
}

static void the_password_for_an_unknown_database_is_not_shown(void **state)
{
    (void)state;
    f.options.database = "no_such_database";
    assert_refused(POOL_ERR_AUTH);
}

static void the_password_for_a_server_without_a_proof_is_not_shown(void **state)
{
    (void)state;
    f.options.tls = POOL_TLS_VERIFY;
    assert_refused(POOL_ERR_TLS);
}

static void the_password_for_a_server_that_is_away_is_not_shown(void **state)
{
    (void)state;
    f.options.port = 1;
    f.options.fail_fast_ms = 1;
    assert_refused(POOL_ERR_CONNECT);
}

static void what_a_server_says_back_is_not_shown(void **state)
{
    (void)state;
    start_server(SAY_IT_BACK);
    assert_refused(POOL_ERR_AUTH);
    assert_non_null(strstr(f.err.message, "not shown"));
    assert_int_equal(f.err.server_errno, 1045);
}

static void a_message_without_the_password_is_shown(void **state)
{
    (void)state;
    f.options.user = "nobody";
    assert_refused(POOL_ERR_AUTH);
    assert_non_null(strstr(f.err.message, "nobody"));
}

static void no_bad_option_shows_the_password(void **state)
{
    const struct pool_options bad[] = {
        {.user = NULL},
        {.user = "app\n" PASSWORD},
        {.user = "app", .host = "app:" PASSWORD "@db"},
        {.user = "app", .host = "mysql://app:" PASSWORD "@db"},
        {.user = "app", .host = "app:" PASSWORD, .socket = "/tmp/s"},
        {.user = "app", .database = "mysql://app:" PASSWORD "@db\n"},
        {.user = "app", .socket = "tmp/s"},
        {.user = "app", .port = 70000},
        {.user = "app", .connection_limit = 5000},
        {.user = "app", .min_idle = 11},
        {.user = "app", .tls = (enum pool_tls_mode)9},
        {.user = "app", .tls_cert = "/tmp/c"},
        {.user = "app", .auth_plugins = "dialog"},
        {.user = "app", .no_waiting = true, .queue_limit = 1},
        {.user = "app", .init_sql = (const char *const[]){"", NULL}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct pool_options options = bad[i];
        options.password = PASSWORD;
        assert_null(pool_create(&options, &f.err));
        assert_int_equal(f.err.code, POOL_ERR_INVALID);
        assert_silent(f.err.message);
    }
}

static void no_bad_url_shows_the_password(void **state)
{
    static const char *const bad[] = {
        "mysql//app:" PASSWORD "@db/shop",
        "http://app:" PASSWORD "@db/shop",
        "mysql://:" PASSWORD "@db/shop",
        "mysql://app:" PASSWORD,
        "mysql://app:" PASSWORD "%40db/shop",
        "mysql://app:" PASSWORD "@@db/shop",
        "mysql://app:x/" PASSWORD "@db/shop",
        "mysql://app:x?" PASSWORD "=1@db/shop",
        "mysql://app:x#" PASSWORD "@db/shop",
        "mysql://app:" PASSWORD " @db/shop",
        "mysql://app:" PASSWORD "%zz@db/shop",
        "mysql://app:" PASSWORD "@db:" PASSWORD "/shop",
        "mysql://app:" PASSWORD "@db;" PASSWORD "/shop",
        "mysql://app:" PASSWORD "@db/shop/" PASSWORD,
        "mysql://app:" PASSWORD "@db/shop?maxRows=" PASSWORD,
        "mysql://app:" PASSWORD "@db/shop?tls=" PASSWORD,
        "mysql://app:" PASSWORD "@db/shop?password=" PASSWORD,
        "mysql://app:" PASSWORD "@db/shop?maxRows=1&maxRows=2",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_null(pool_create_url(bad[i], &f.err));
        assert_int_equal(f.err.code, POOL_ERR_INVALID);
        assert_silent(f.err.message);
    }
}

/* ------------------------------------------------------------------------
 * The version of libmariadb
 */

static void an_old_libmariadb_is_refused_by_name(void **state)
{
    static const struct {
        unsigned long version;
        const char *text;
    } old[] = {{30313, "3.3.13"}, {30108, "3.1.8"}, {100519, "10.5.19"}, {0, "0.0.0"}};
    (void)state;
    for (size_t i = 0; i < COUNT(old); i++) {
        claimed_version = old[i].version;
        assert_null(pool_create(&f.options, &f.err));
        assert_int_equal(f.err.code, POOL_ERR_UNSUPPORTED);
        assert_non_null(strstr(f.err.message, old[i].text));
        assert_non_null(strstr(f.err.message, "3.3.14"));
    }
    assert_int_equal(told.states, 0);
}

static void a_weak_libmariadb_is_reported_once_by_on_state(void **state)
{
    static const unsigned long weak[] = {30314, 30319, 30400, 30409};
    (void)state;
    for (size_t i = 0; i < COUNT(weak); i++) {
        claimed_version = weak[i];
        told.states = 0;
        create();
        assert_int_equal(told.states, 1);
        assert_non_null(strstr(told.text, "libmariadb 3."));
        use_connections(1);
        end_pool();
        assert_int_equal(told.states, 1);
    }
}

static void a_good_libmariadb_is_not_reported(void **state)
{
    static const unsigned long good[] = {30320, 30321, 30410, 30500};
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        claimed_version = good[i];
        create();
        use_connections(1);
        end_pool();
    }
    assert_int_equal(told.states, 0);
}

static void nobody_needs_to_listen_to_the_report(void **state)
{
    (void)state;
    claimed_version = 30314;
    f.options.hooks = (struct pool_hooks){0};
    create();
    use_connections(1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(the_search_finds_what_is_there),
        TEST(connections_keep_no_copy_of_the_password),
        TEST(the_end_of_the_pool_leaves_nothing_of_the_password),
        TEST(a_url_leaves_no_copy_behind),
        TEST(a_refused_url_leaves_no_copy_behind),
        TEST(a_password_that_is_sent_in_clear_stays_in_no_buffer),
        TEST(a_child_process_does_not_inherit_the_password),
        TEST(a_list_without_the_native_plugin_lets_the_others_in),
        TEST(a_name_that_contains_an_unsafe_one_is_as_unsafe),
        /* From here on logins fail, and leave copies in freed memory. */
        TEST(a_wrong_password_is_not_shown),
        TEST(the_password_of_an_unknown_user_is_not_shown),
        TEST(the_password_for_an_unknown_database_is_not_shown),
        TEST(the_password_for_a_server_without_a_proof_is_not_shown),
        TEST(the_password_for_a_server_that_is_away_is_not_shown),
        TEST(what_a_server_says_back_is_not_shown),
        TEST(a_message_without_the_password_is_shown),
        TEST(no_bad_option_shows_the_password),
        TEST(no_bad_url_shows_the_password),
        TEST(an_old_libmariadb_is_refused_by_name),
        TEST(a_weak_libmariadb_is_reported_once_by_on_state),
        TEST(a_good_libmariadb_is_not_reported),
        TEST(nobody_needs_to_listen_to_the_report),
    };
    return server_suite_main_with(argc, argv, tests, set_up_suite, NULL);
}
