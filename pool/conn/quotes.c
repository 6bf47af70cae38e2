/*
 * How the session of a connection reads quotes, for those who write literals into a text.
 *
 * The status flags of the protocol (NO_BACKSLASH_ESCAPES, and MariaDB's ANSI_QUOTES) do not
 * tell: if a routine sets its own sql_mode the server takes that back at the routine's end,
 * but not the flag, which from then on says what is not so. A literal written in that belief
 * would be a hole. Neither are the flags read from the replies to a reset or an error. So the
 * server is asked for @@sql_mode, among the facts of a fresh session (session.c). The answer holds
 * until a statement is sent that might change the session, which are those of the class OTHER;
 * then it is asked again when the first text comes along that depends on it. A plain statement
 * cannot: what its triggers and functions set is taken back, and there the answer, unlike the flag,
 * stays true.
 *
 * Where the client's charset is not UTF-8 the answer is of no use, for the second byte of a
 * character may look like a backslash. Nor is it if several statements go at once, the first
 * of which may change what holds for the second. Then literals are written so that they are
 * safe in every session.
 *
 * Whoever owns the connection runs this; there are no locks.
 */
#include "conn/quotes.h"

#include "conn/outcome.h"
#include "conn/reply.h"

#include <mysql.h>
#include <string.h>

#define QUESTION "SELECT @@sql_mode, @@character_set_client"

static bool depends_on_quotes(const struct pool__conn *conn,
                              const struct pool__statement *statement,
                              const struct pool__sql_info *info)
{
    if (info->semicolon && conn->options->v.multi_statements)
        return false;
    if (info->escaped_quote && (info->placeholders || statement->args.count))
        return true;
    return statement->as_text ? statement->depends_on_quotes
                              : pool__statement_has_special_text(statement);
}

bool pool__quotes_known(const struct pool__conn *conn, const struct pool__statement *statement,
                        const struct pool__sql_info *info)
{
    return conn->quotes_known || !depends_on_quotes(conn, statement, info);
}

static bool is_utf8(const char *charset)
{
    return strcmp(charset, "utf8mb4") == 0 || strcmp(charset, "utf8mb3") == 0 ||
           strcmp(charset, "utf8") == 0;
}

static enum pool__quotes quotes_of(const char *sql_mode, const char *charset)
{
    if (!sql_mode || !charset || !is_utf8(charset))
        return POOL__QUOTES_UNKNOWN;
    if (strstr(sql_mode, "NO_BACKSLASH_ESCAPES"))
        return POOL__QUOTES_BARE;
    return strstr(sql_mode, "ANSI_QUOTES") ? POOL__QUOTES_ANSI : POOL__QUOTES_ESCAPED;
}

void pool__quotes_note(struct pool__conn *conn, const char *sql_mode, const char *charset)
{
    conn->quotes = quotes_of(sql_mode, charset);
    conn->quotes_known = !conn->native_given;
}

static bool ask(struct pool__execution *question)
{
    struct pool__conn *conn = question->conn;
    pool__outcome_note_send(conn, question->info);
    if (mysql_send_query(conn->mysql, QUESTION, strlen(QUESTION)) != 0) {
        pool__outcome_fail(conn, question->wait, NULL, question->wait->reading, question->err);
        return false;
    }
    if (!pool__reply_receive_text(question)) {
        pool__outcome_fail(conn, question->wait, NULL, true, question->err);
        return false;
    }
    return pool__reply_read_text(question);
}

/* The question is no part of the statement, which has not been sent yet. */
static bool learn_quotes(struct pool__execution *exec)
{
    struct pool__conn *conn = exec->conn;
    static const struct pool__sql_info plain = {.class_ = POOL__SQL_PLAIN, .read_only = true};
    static const struct pool__statement statement = {.own = true};
    struct pool__execution question = {.conn = conn,
                                       .statement = &statement,
                                       .wait = exec->wait,
                                       .err = exec->err,
                                       .info = &plain};
    exec->quotes = POOL__QUOTES_UNKNOWN;
    bool ok = pool__execution_begin(&question) && ask(&question);
    if (ok && pool_next(question.result)) {
        pool__quotes_note(conn, pool_get_text(question.result, 0),
                          pool_get_text(question.result, 1));
        exec->quotes = conn->quotes;
    }
    pool_result_free(question.result);
    return ok;
}

void pool__quotes_use(struct pool__execution *exec, const struct pool__sql_info *info)
{
    bool matters = exec->conn->quotes_known && depends_on_quotes(exec->conn, exec->statement, info);
    exec->quotes = matters ? exec->conn->quotes : POOL__QUOTES_UNKNOWN;
}

bool pool__quotes_find(struct pool__execution *exec, const struct pool__sql_info *info)
{
    if (!pool__quotes_known(exec->conn, exec->statement, info))
        return learn_quotes(exec);
    pool__quotes_use(exec, info);
    return true;
}
