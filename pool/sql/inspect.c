/*
 * What kind of statement it is.
 *
 * The class decides whether a connection may be lent again without a reset, so it errs on
 * one side only: PLAIN and TRANSACTION are given to statements that match a short list
 * and contain none of the words that change the session; whatever is not understood is
 * OTHER and costs a reset. The words are looked for without regard to where they stand:
 * a column that is called `nextval` costs a reset, too, and a call that hides behind
 * backticks or ANSI quotes is still seen. A stored function may take a lock in secret, which
 * no report of the server shows; so a call of anything but a known built-in function (see
 * builtins.c) is OTHER. A list of columns behind the name of a table, which looks the same,
 * is told by the word before the name. What triggers and views do is not visible here.
 *
 * A text that servers may read in different ways (the doubts of lexer.c) is OTHER, and so
 * is one with an executable comment. One with a backslash before a quote is read in all ways
 * in which a session may read it, and has the worst class of them; a way in which it breaks
 * off in a string counts for nothing, because the server does not run it then.
 *
 * A semicolon with something behind it makes several statements. The body of a routine,
 * trigger or event, and a compound statement, have semicolons of their own; telling them
 * apart takes the whole grammar, so these count as one, and the server, which has
 * multi-statements off by default, is the judge.
 *
 * Nothing here allocates.
 */
#include "sql/inspect.h"

#include "base/error.h"
#include "sql/builtins.h"
#include "sql/gist.h"
#include "sql/lexer.h"
#include "sql/words.h"

#include <string.h>

static bool is_session_function(const struct pool__token *token)
{
    /* clang-format off */
    static const char *const functions[] = {
        "GET_LOCK", "RELEASE_LOCK", "RELEASE_ALL_LOCKS", "SETVAL", "NEXTVAL", "SQL_CALC_FOUND_ROWS",
        "SERVICE_GET_READ_LOCKS", "SERVICE_GET_WRITE_LOCKS", "SERVICE_RELEASE_LOCKS",
        "VERSION_TOKENS_LOCK_SHARED", "VERSION_TOKENS_LOCK_EXCLUSIVE", "VERSION_TOKENS_UNLOCK",
        NULL};
    /* clang-format on */
    return pool__words_is_one_of(token, functions, pool__words_is_name);
}

/* INSERT INTO is fine, and so is a file; INTO @variable or a name after SELECT is not. */
static bool is_into_variable(const struct pool__gist *gist, const struct pool__token *token)
{
    if (!pool__words_is(&gist->before, "INTO"))
        return false;
    if (pool__words_is_sign(token, '@'))
        return true;
    bool inserts =
        pool__words_is(&gist->first, "INSERT") || pool__words_is(&gist->first, "REPLACE");
    return !inserts && !pool__words_is(token, "OUTFILE") && !pool__words_is(token, "DUMPFILE");
}

static bool touches_session(const struct pool__gist *gist, const struct pool__token *token)
{
    if (token->kind == POOL__TOKEN_ASSIGN || token->kind == POOL__TOKEN_COMMENT_SQL)
        return true;
    if (is_session_function(token) || is_into_variable(gist, token))
        return true;
    if (pool__words_is(&gist->before, "NEXT") && pool__words_is(token, "VALUE"))
        return true;
    return pool__words_is_name(&gist->before_that, "LAST_INSERT_ID") &&
           pool__words_is_sign(&gist->before, '(') && !pool__words_is_sign(token, ')');
}

/* Whether the last name is a table, an alias or a CTE, which may have a list of columns. No
 * expression can start behind the words and signs that are looked for. The COLUMNS of
 * JSON_TABLE, which follow a string, and MEMBER OF come under this as well. */
static bool names_table(const struct pool__gist *gist)
{
    static const char *const targets[] = {"INTO",         "INSERT",  "REPLACE", "IGNORE",
                                          "LOW_PRIORITY", "DELAYED", NULL};
    static const char *const aliases[] = {"AS", "WITH", "RECURSIVE", "MEMBER", NULL};
    const struct pool__token *before = &gist->before_name;
    if (pool__words_is_one_of(before, targets, pool__words_is))
        return true;
    if (gist->qualified)
        return false;
    if (gist->in_with_list && gist->depth == 1 && pool__words_is_sign(before, ','))
        return true;
    return before->kind == POOL__TOKEN_QUOTED || pool__words_is_sign(before, ')') ||
           pool__words_is_one_of(before, aliases, pool__words_is);
}

/* Decided at the token behind the parenthesis: `name (SELECT` is no call, as that would need
 * parentheses of its own. */
static bool calls_unknown(const struct pool__gist *gist, const struct pool__token *token)
{
    const struct pool__token *name = &gist->before_that;
    const struct pool__token *parenthesis = &gist->before;
    if (!pool__words_is_sign(parenthesis, '(') || !pool__words_is_any_name(name))
        return false;
    if (pool__words_is(token, "SELECT") || names_table(gist))
        return false;
    if (name->kind == POOL__TOKEN_QUOTED || gist->qualified)
        return true;
    enum pool__builtins_kind kind = pool__builtins_kind(name->text, name->len);
    if (kind == POOL__BUILTINS_TIGHT_FUNCTION)
        return name->text + name->len != parenthesis->text;
    return kind == POOL__BUILTINS_UNKNOWN;
}

static bool locks_or_writes(const struct pool__gist *gist, const struct pool__token *token)
{
    if (pool__words_is(token, "INTO"))
        return true;
    if (pool__words_is(&gist->before, "FOR"))
        return pool__words_is(token, "UPDATE") || pool__words_is(token, "SHARE");
    return pool__words_is(&gist->before, "LOCK") && pool__words_is(token, "IN");
}

/* SET NAMES and SET CHARACTER SET among them. */
static bool names_reading(const struct pool__token *token)
{
    /* clang-format off */
    static const char *const variables[] = {"SQL_MODE", "NAMES", "CHARSET", "CHARACTER",
                                            "CHARACTER_SET_CLIENT", "CHARACTER_SET_CONNECTION",
                                            "COLLATION_CONNECTION", NULL};
    /* clang-format on */
    return pool__words_is_one_of(token, variables, pool__words_is_name);
}

/* Whether from here on semicolons are those of a body. A label makes a compound statement
 * as well: the colon is its second token. */
static bool starts_body(const struct pool__gist *gist, const struct pool__token *token)
{
    static const char *const compounds[] = {"IF",     "CASE", "LOOP",    "WHILE",
                                            "REPEAT", "FOR",  "DECLARE", NULL};
    static const char *const routines[] = {"PROCEDURE", "FUNCTION", "TRIGGER",
                                           "EVENT",     "PACKAGE",  NULL};
    if (gist->tokens == 1)
        return pool__words_is_one_of(token, compounds, pool__words_is);
    if (gist->tokens == 2 &&
        (pool__words_is_sign(token, ':') || pool__words_is(&gist->before, "BEGIN")))
        return pool__words_is_sign(token, ':') || pool__words_is(token, "NOT");
    return (pool__words_is(&gist->first, "CREATE") || pool__words_is(&gist->first, "ALTER")) &&
           pool__words_is_one_of(token, routines, pool__words_is);
}

/* The list ends at the first word of its statement or, as that may be in parentheses, where
 * one opens behind one that closes. CYCLE is the end of what is understood here. */
static bool ends_with_list(const struct pool__gist *gist, const struct pool__token *token)
{
    static const char *const ends[] = {"SELECT", "VALUES",  "TABLE", "UPDATE", "DELETE",
                                       "INSERT", "REPLACE", "CYCLE", NULL};
    if (gist->depth > 0)
        return false;
    return (pool__words_is_sign(token, '(') && pool__words_is_sign(&gist->before, ')')) ||
           pool__words_is_one_of(token, ends, pool__words_is);
}

static void follow_names(struct pool__gist *gist, const struct pool__token *token)
{
    if (gist->tokens == 1)
        gist->in_with_list = pool__words_is(token, "WITH");
    if (gist->in_with_list) {
        gist->in_with_list = !ends_with_list(gist, token);
        gist->verb = *token;
    }
    if (pool__words_is_sign(token, '('))
        gist->depth++;
    if (pool__words_is_sign(token, ')') && gist->depth > 0)
        gist->depth--;
    if (!pool__words_is_any_name(token))
        return;
    gist->qualified = pool__words_is_sign(&gist->before, '.');
    if (!gist->qualified || !pool__words_is_any_name(&gist->before_that))
        gist->before_name = gist->before;
}

static void take_token(struct pool__gist *gist, const struct pool__token *token)
{
    gist->names_reading = gist->names_reading || names_reading(token);
    if (pool__words_is_sign(token, ';')) {
        gist->ended = true;
        return;
    }
    if (gist->ended) {
        gist->semicolon = true;
        gist->multiple = !gist->has_body;
        return;
    }
    if (gist->tokens < POOL__GIST_HEAD)
        gist->head[gist->tokens] = *token;
    gist->tokens++;
    if (gist->first.kind == POOL__TOKEN_END && !pool__words_is_sign(token, '('))
        gist->first = gist->verb = *token;
    gist->has_body = gist->has_body || starts_body(gist, token);
    gist->touches_session =
        gist->touches_session || touches_session(gist, token) || calls_unknown(gist, token);
    follow_names(gist, token);
    gist->not_read_only = gist->not_read_only || locks_or_writes(gist, token);
    gist->before_that = gist->before;
    gist->before = *token;
}

/* Whether a placeholder in an executable comment is one depends on the server's version. */
static bool read_statement(struct pool__lexer *lexer, struct pool__gist *gist, bool *uncertain,
                           struct pool_error *err)
{
    struct pool__token token;
    for (;;) {
        if (!pool__lexer_next(lexer, &token, err))
            return false;
        if (token.kind == POOL__TOKEN_END)
            break;
        *uncertain = *uncertain || (token.kind == POOL__TOKEN_PLACEHOLDER && lexer->in_comment);
        take_token(gist, &token);
    }
    if (gist->tokens == 0 && !gist->multiple)
        return pool__fail(err, POOL_ERR_INVALID, "statement is empty");
    return true;
}

static bool inspect(const char *sql, size_t len, enum pool__quotes quotes,
                    struct pool__sql_info *ret_info, struct pool_error *err)
{
    struct pool__lexer lexer = {0};
    struct pool__gist gist = {0};
    bool uncertain = false;
    bool ok = pool__lexer_init_for(&lexer, sql, len, quotes, err) &&
              read_statement(&lexer, &gist, &uncertain, err);
    ret_info->escaped_quote = lexer.escaped_quote;
    ret_info->semicolon = ok ? gist.semicolon : gist.ended;
    if (!ok)
        return false;
    ret_info->class_ = pool__gist_class(&gist, lexer.doubt != NULL);
    ret_info->turn = pool__gist_turn(&gist, lexer.doubt != NULL);
    ret_info->updates = !gist.multiple && pool__words_is(&gist.verb, "UPDATE");
    ret_info->placeholders = lexer.placeholders;
    ret_info->named = lexer.named;
    ret_info->multiple = gist.multiple;
    ret_info->read_only = ret_info->class_ == POOL__SQL_PLAIN && pool__gist_is_read_only(&gist);
    ret_info->uncertain = uncertain || lexer.doubt;
    ret_info->rereads = pool__gist_rereads(&gist, lexer.doubt != NULL);
    for (unsigned i = 0; i < POOL__READINGS; i++)
        ret_info->counts[i] = lexer.placeholders;
    return true;
}

/* One more reading of the same text. Whether it is `multiple` stays as it was: a wrong yes
 * would refuse it, and after a wrong no the server does. */
static void merge(struct pool__sql_info *info, unsigned reading, const struct pool__sql_info *other)
{
    info->counts[reading] = other->placeholders;
    info->uncertain = info->uncertain || other->uncertain || other->placeholders != info->counts[0];
    if (other->placeholders > info->placeholders)
        info->placeholders = other->placeholders;
    if (other->class_ > info->class_)
        info->class_ = other->class_;
    if (other->turn != info->turn)
        info->turn = POOL__SQL_TURN_HIDDEN;
    info->semicolon = info->semicolon || other->semicolon;
    info->read_only = info->read_only && other->read_only;
    info->updates = info->updates && other->updates;
    info->rereads = info->rereads || other->rereads;
}

/* A reading that breaks off counts if there is a whole statement before that, which a server
 * that takes several would run. */
static bool inspect_others(const char *sql, size_t len, bool ok, struct pool__sql_info *info)
{
    static const enum pool__quotes others[] = {POOL__QUOTES_ANSI, POOL__QUOTES_BARE};
    bool may_run = !ok && info->semicolon;
    for (unsigned i = 0; i < 2; i++) {
        struct pool__sql_info other = {0};
        bool other_ok = inspect(sql, len, others[i], &other, NULL);
        may_run = may_run || (!other_ok && other.semicolon);
        if (ok && other_ok)
            merge(info, i + 1, &other);
        else if (other_ok)
            *info = other;
        ok = ok || other_ok;
    }
    info->escaped_quote = true;
    info->semicolon = info->semicolon || may_run;
    if (may_run)
        info->class_ = POOL__SQL_OTHER;
    return ok;
}

bool pool__inspect(const char *sql, size_t len, struct pool__sql_info *ret_info,
                   struct pool_error *err)
{
    struct pool__sql_info info = {0};
    bool ok = inspect(sql, len, POOL__QUOTES_ESCAPED, &info, err);
    if (info.escaped_quote && inspect_others(sql, len, ok, &info) && !ok) {
        pool__ok(err);
        ok = true;
    }
    if (ok)
        *ret_info = info;
    return ok;
}
