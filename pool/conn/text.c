/*
 * A statement that is sent as text, with its values written into it. What is known about the text
 * is remembered in the statement cache.
 */
#include "conn/text.h"

#include "conn/outcome.h"
#include "conn/quotes.h"
#include "conn/reply.h"
#include "sql/several.h"

#include <stdlib.h>

static bool send_text(struct pool__execution *run, const char *sql, size_t len)
{
    MYSQL *mysql = run->conn->mysql;
    run->sent = true;
    pool__outcome_note_send(run->conn, run->info);
    if (mysql_send_query(mysql, sql, len) != 0) {
        pool__outcome_fail(run->conn, run->wait, NULL, run->wait->reading, run->err);
        return false;
    }
    if (!pool__reply_receive_text(run)) {
        pool__outcome_fail(run->conn, run->wait, NULL, true, run->err);
        return false;
    }
    return pool__reply_read_text(run);
}

/* What is known about a text. Pools that never prepare remember it like a statement. */
static struct pool__stmt *find_text(struct pool__execution *run)
{
    const struct pool__statement *statement = run->statement;
    struct pool__stmt_cache *cache = &run->conn->cache;
    struct pool__stmt_values as_text = {NULL, 0};
    struct pool__stmt *stmt =
        pool__stmt_find(cache, statement->text, statement->text_len, statement->hash, as_text);
    if (!stmt)
        stmt = pool__stmt_add(cache, statement->text, statement->text_len, statement->hash, as_text,
                              run->err);
    if (stmt)
        stmt->text_only = true;
    return stmt;
}

char *pool__text_format(struct pool__execution *run, const struct pool__sql_info *info,
                        size_t *ret_len)
{
    const struct pool__statement *statement = run->statement;
    char *formatted = NULL;
    *ret_len = statement->text_len;
    if (statement->args.count || info->placeholders || info->named)
        pool__sql_format(statement->text, statement->text_len, statement->args, run->quotes,
                         &formatted, ret_len, run->err);
    return formatted;
}

static bool run_known_text(struct pool__execution *run, struct pool__stmt *stmt)
{
    size_t len;
    const struct pool__sql_info *info = run->info;
    if (!pool__execution_check_single(run, info, true) || !pool__quotes_find(run, info))
        return false;
    char *formatted = pool__text_format(run, info, &len);
    bool ok = run->err->code == POOL_OK && pool__execution_check_size(run, len) &&
              send_text(run, formatted ? formatted : run->statement->text, len);
    free(formatted);
    if (!ok && info->multiple && run->sent && run->err->code != POOL_OK)
        pool__several_tell(run->statement->text, run->statement->text_len, run->results,
                           run->conn->broken, run->err);
    if (ok && stmt)
        pool__execution_note(run, stmt, true);
    return ok;
}

bool pool__text_run(struct pool__execution *run)
{
    const struct pool__statement *statement = run->statement;
    struct pool__sql_info own;
    struct pool__stmt *stmt = statement->hash ? find_text(run) : NULL;
    bool known = statement->hash
                     ? stmt != NULL
                     : pool__sql_inspect(statement->text, statement->text_len, &own, run->err);
    run->info = stmt ? &stmt->info : &own;
    bool ok = known && run_known_text(run, stmt);
    run->info = NULL; /* `own` ends here */
    return ok;
}
