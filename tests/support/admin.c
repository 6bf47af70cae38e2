/*
 * The plain C interface of libmariadb, with deadlines of ten seconds, so that a server which is
 * frozen fails a test and does not hang it.
 */
#include "admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

MYSQL *connect_admin(void)
{
    unsigned port = (unsigned)strtoul(getenv("MYPOOL_SERVER_PORT"), NULL, 10);
    unsigned seconds = 10;
    MYSQL *admin = mysql_init(NULL);
    mysql_options(admin, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(admin, MYSQL_OPT_READ_TIMEOUT, &seconds);
    if (mysql_real_connect(admin, "127.0.0.1", "admin", "adminsecret", "mypool", port, NULL, 0))
        return admin;
    mysql_close(admin);
    return NULL;
}

bool ask(MYSQL *admin, const char *sql, char *ret_text, size_t size)
{
    if (!admin || mysql_query(admin, sql) != 0)
        return false;
    MYSQL_RES *rows = mysql_store_result(admin);
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;
    if (ret_text)
        snprintf(ret_text, size, "%s", row && row[0] ? row[0] : "");
    mysql_free_result(rows);
    return true;
}

/* These two fail the test if the server refuses. */

void admin_does(MYSQL *admin, const char *format, ...)
{
    char sql[512];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    if (!ask(admin, sql, NULL, 0))
        fail_msg("admin: %s: %s", sql, mysql_error(admin));
}

long admin_asks(MYSQL *admin, const char *sql)
{
    char text[64] = "";
    if (!ask(admin, sql, text, sizeof text))
        fail_msg("admin: %s: %s", sql, mysql_error(admin));
    return strtol(text, NULL, 10);
}

bool is_gone(MYSQL *admin, unsigned long id)
{
    char sql[96], count[16] = "";
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM information_schema.processlist WHERE id = %lu",
             id);
    return ask(admin, sql, count, sizeof count) && strtol(count, NULL, 10) == 0;
}
