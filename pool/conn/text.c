/*
 * A statement that is sent as text, with its values written into it. What is known about the text
 * is remembered in the statement cache.
 */
#include "conn/text.h"

#include "conn/outcome.h"
#include "conn/quotes.h"
#include "conn/reply.h"
#include "sql/literal.h"
#include "sql/several.h"

#include <mysql.h>
#include <stdlib.h>

static bool send_text(struct pool__execution *exec, const char *sql, size_t len)
{
    MYSQL *mysql = exec->conn->mysql;
    exec->sent = true;
    pool__outcome_note_send(exec->conn, exec->info);
    if (mysql_send_query(mysql, sql, len) != 0) {
        pool__outcome_fail(exec->conn, exec->wait, NULL, exec->wait->reading, exec->err);
        return false;
    }
    if (!pool__reply_receive_text(exec)) {
        pool__outcome_fail(exec->conn, exec->wait, NULL, true, exec->err);
        return false;
    }
    return pool__reply_read_text(exec);
}

/* What is known about a text. Pools that never prepare remember it like a statement. */
static struct pool__stmt *find_text(struct pool__execution *exec)
{
    const struct pool__statement *statement = exec->statement;
    struct pool__stmt_cache *cache = &exec->conn->cache;
    struct pool__stmt_values as_text = {NULL, 0};
    struct pool__stmt *stmt =
        pool__stmt_find(cache, statement->text, statement->text_len, statement->hash, as_text);
    if (!stmt)
        stmt = pool__stmt_add(cache, statement->text, statement->text_len, statement->hash, as_text,
                              exec->err);
    if (stmt)
        stmt->text_only = true;
    return stmt;
}

/* The text with its values written into it, to be freed; NULL if there are none, or on failure. */
static char *write_values(struct pool__execution *exec, const struct pool__sql_info *info,
                          size_t *ret_len)
{
    const struct pool__statement *statement = exec->statement;
    char *formatted = NULL;
    *ret_len = statement->text_len;
    if (statement->args.count || info->placeholders || info->named)
        pool__literal_format(statement->text, statement->text_len, statement->args, exec->quotes,
                             &formatted, ret_len, exec->err);
    return formatted;
}

bool pool__text_send(struct pool__execution *exec)
{
    size_t len;
    pool__quotes_use(exec, exec->info);
    char *formatted = write_values(exec, exec->info, &len);
    bool ok = exec->err->code == POOL_OK;
    if (ok) {
        exec->sent = true;
        pool__outcome_note_send(exec->conn, exec->info);
        ok = mysql_send_query(exec->conn->mysql, formatted ? formatted : exec->statement->text,
                              len) == 0;
    } else {
        exec->err->not_executed = true;
    }
    free(formatted);
    return ok;
}

static bool run_known_text(struct pool__execution *exec, struct pool__stmt *stmt)
{
    size_t len;
    const struct pool__sql_info *info = exec->info;
    if (!pool__execution_check_single(exec, info, true) || !pool__quotes_find(exec, info))
        return false;
    char *formatted = write_values(exec, info, &len);
    bool ok = exec->err->code == POOL_OK && pool__execution_check_size(exec, len) &&
              send_text(exec, formatted ? formatted : exec->statement->text, len);
    free(formatted);
    if (!ok && info->multiple && exec->sent && exec->err->code != POOL_OK)
        pool__several_tell(exec->statement->text, exec->statement->text_len, exec->results,
                           exec->conn->broken, exec->err);
    if (ok && stmt)
        pool__execution_note(exec, stmt, true);
    return ok;
}

bool pool__text_run(struct pool__execution *exec)
{
    const struct pool__statement *statement = exec->statement;
    struct pool__sql_info own;
    struct pool__stmt *stmt = statement->hash ? find_text(exec) : NULL;
    bool known = statement->hash
                     ? stmt != NULL
                     : pool__inspect(statement->text, statement->text_len, &own, exec->err);
    exec->info = stmt ? &stmt->info : &own;
    bool ok = known && run_known_text(exec, stmt);
    exec->info = NULL; /* `own` ends here */
    return ok;
}
