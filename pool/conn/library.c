/*
 * libmariadb as a whole: started once per process, and its version.
 */
#include "conn/library.h"

#include "base/error.h"

#include <mysql.h>
#include <signal.h>
#include <stdio.h>

#include <openssl/crypto.h>

/* Of libmariadb. Before the first, an answer to the login could make it overflow; before
 * the second, and in the first releases of 3.4, lesser weaknesses against a malicious
 * server are known. Some of the oldest call themselves by a server's number, 10 and up. */
#define OLDEST_LIBRARY 30314
#define GOOD_LIBRARY 30320
#define GOOD_LIBRARY_3_4 30410
#define NUMBER_OF_A_SERVER 100000

/* Once per process. libmariadb ignores SIGPIPE for the whole program when it is
 * first used; that decision is the program's, so it is put back. OpenSSL would free what
 * it is made of at exit, under the threads of a pool that has not been ended. */
void pool__library_start(void)
{
    struct sigaction before;
    sigaction(SIGPIPE, NULL, &before);
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    mysql_library_init(0, NULL, NULL);
    MYSQL *first = mysql_init(NULL);
    mysql_close(first);
    sigaction(SIGPIPE, &before, NULL);
}

bool pool__library_check(struct pool_error *err)
{
    unsigned long version = mysql_get_client_version();
    if (version >= OLDEST_LIBRARY && version < NUMBER_OF_A_SERVER)
        return true;
    return pool__fail(err, POOL_ERR_UNSUPPORTED,
                      "libmariadb %lu.%lu.%lu is too old, the pool needs 3.3.14 or newer",
                      version / 10000, version / 100 % 100, version % 100);
}

bool pool__library_warns(char *ret_text, size_t size)
{
    unsigned long version = mysql_get_client_version();
    bool good = version >= GOOD_LIBRARY && (version < 30400 || version >= GOOD_LIBRARY_3_4);
    snprintf(
        ret_text, size,
        "libmariadb %lu.%lu.%lu is weak against malicious servers: use 3.3.20, 3.4.10 or newer",
        version / 10000, version / 100 % 100, version % 100);
    return !good;
}
