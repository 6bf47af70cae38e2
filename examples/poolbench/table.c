/*
 * The table `poolbench`, and what the server says about the query.
 *
 * The table is made when the query names it and it is missing or has the wrong
 * number of rows. Its comment marks it as ours: a table of that name that
 * somebody else made is never touched. A lock of the server keeps two poolbench
 * programs from filling it at the same time.
 *
 * The rows come from a cross join of five lists of digits. That is one plain
 * statement on every server, unlike MariaDB's `seq_1_to_100000` and recursive
 * queries, whose depth is limited by differently named variables.
 */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMENT "made by poolbench"
#define DIGITS                                                                                     \
    "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4"   \
    " UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8"                 \
    " UNION ALL SELECT 9) "

static const char create_sql[] =
    "CREATE TABLE poolbench (id INT NOT NULL PRIMARY KEY, name VARCHAR(64) NOT NULL,"
    " v DOUBLE NOT NULL) COMMENT '" COMMENT "'";

static const char fill_sql[] =
    "INSERT INTO poolbench (id, name, v)"
    " SELECT id, CONCAT('name-', id), id * 1.5 FROM"
    " (SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d AS id FROM " DIGITS
    "a CROSS JOIN " DIGITS "b CROSS JOIN " DIGITS "c CROSS JOIN " DIGITS "d CROSS JOIN " DIGITS
    "e) AS ids";

static const char comment_sql[] = "SELECT table_comment FROM information_schema.tables"
                                  " WHERE table_schema = DATABASE() AND table_name = 'poolbench'";

static bool execute(MYSQL *mysql, const char *sql, struct problem *problem)
{
    if (mysql_query(mysql, sql) == 0)
        return true;
    server_problem(mysql, problem);
    return false;
}

/* Stores the first column of the first row; "" if there is none. */
static bool ask(MYSQL *mysql, const char *sql, char *ret_text, size_t size, struct problem *problem)
{
    MYSQL_RES *rows;
    MYSQL_ROW row;

    if (!execute(mysql, sql, problem))
        return false;
    rows = mysql_store_result(mysql);
    if (!rows) {
        server_problem(mysql, problem);
        return false;
    }
    row = mysql_fetch_row(rows);
    snprintf(ret_text, size, "%s", row && row[0] ? row[0] : "");
    mysql_free_result(rows);
    return true;
}

static bool fill_anew(MYSQL *mysql, struct problem *problem)
{
    return execute(mysql, "DROP TABLE IF EXISTS poolbench", problem) &&
           execute(mysql, create_sql, problem) && execute(mysql, fill_sql, problem);
}

static bool is_complete(MYSQL *mysql, bool *ret_complete, struct problem *problem)
{
    char count[32];

    if (!ask(mysql, "SELECT COUNT(*) FROM poolbench", count, sizeof(count), problem))
        return false;
    *ret_complete = strtoul(count, NULL, 10) == BENCH_ROWS;
    return true;
}

static bool make_table_locked(MYSQL *mysql, struct problem *problem)
{
    bool complete = false;
    char comment[128];

    if (!ask(mysql, comment_sql, comment, sizeof(comment), problem))
        return false;
    if (strcmp(comment, COMMENT) == 0) {
        if (!is_complete(mysql, &complete, problem))
            return false;
        return complete || fill_anew(mysql, problem);
    }
    /* A table without a comment looks the same as none, but cannot be created again. */
    return execute(mysql, create_sql, problem) && execute(mysql, fill_sql, problem);
}

static bool make_table(MYSQL *mysql, struct problem *problem)
{
    struct problem ignored;
    char answer[32];
    bool ok;

    if (!ask(mysql, "SELECT GET_LOCK('poolbench', 60)", answer, sizeof(answer), problem))
        return false;
    if (strcmp(answer, "1") != 0) {
        problem_set(problem, "lock", "another poolbench has held the lock for a minute");
        return false;
    }
    ok = make_table_locked(mysql, problem);
    ask(mysql, "SELECT RELEASE_LOCK('poolbench')", answer, sizeof(answer), &ignored);
    return ok;
}

/* The server knows best what is a placeholder and what is a question mark in a
 * text. A statement without columns is not a SELECT: it could destroy something,
 * some ten thousand times a second. */
static bool check_statement(MYSQL_STMT *stmt, struct config *config, struct problem *problem)
{
    unsigned long placeholders;

    if (mysql_stmt_prepare(stmt, config->query, strlen(config->query)) != 0) {
        server_statement_problem(stmt, problem);
        return false;
    }
    placeholders = mysql_stmt_param_count(stmt);
    if (placeholders > 1 || mysql_stmt_field_count(stmt) == 0) {
        problem_set(problem, "query", "%s",
                    placeholders > 1 ? "more than one placeholder" : "not a SELECT");
        return false;
    }
    config->takes_key = placeholders == 1;
    return true;
}

static bool check_query(MYSQL *mysql, struct config *config, struct problem *problem)
{
    MYSQL_STMT *stmt = mysql_stmt_init(mysql);
    bool ok;

    if (!stmt) {
        server_problem(mysql, problem);
        return false;
    }
    ok = check_statement(stmt, config, problem);
    mysql_stmt_close(stmt);
    return ok;
}

bool table_prepare(struct config *config, bool *ret_bad_query, struct problem *problem)
{
    MYSQL *mysql = server_connect(&config->options, problem);
    bool ok = mysql != NULL;

    if (ok && strstr(config->query, "poolbench"))
        ok = make_table(mysql, problem);
    if (ok && !check_query(mysql, config, problem)) {
        *ret_bad_query = true;
        ok = false;
    }
    if (mysql)
        mysql_close(mysql);
    return ok;
}
