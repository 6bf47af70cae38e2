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
#include "sql/lexer.h"

#include <string.h>

/* TRANSACTION statements have at most this many tokens, but for START TRANSACTION. */
#define HEAD_TOKENS 5

/* What has been seen so far of one text. */
struct reading {
    struct pool__token head[HEAD_TOKENS]; /* the first tokens */
    size_t tokens;                        /* in the first statement */
    struct pool__token first;             /* the first that is not an opening parenthesis */
    struct pool__token verb;              /* the same, but behind a WITH and its list */
    struct pool__token before;            /* the last token, */
    struct pool__token before_that;       /* and the one before */
    struct pool__token before_name;       /* what precedes the last name, which may be a.b.c */
    bool qualified;                       /* the last name has a dot */
    bool in_with_list;                    /* between WITH and the statement it serves */
    size_t depth;                         /* open parentheses */
    bool ended;                           /* a semicolon has been seen */
    bool multiple;
    bool semicolon; /* with something behind it */
    bool has_body;  /* its semicolons separate nothing */
    bool touches_session;
    bool not_read_only;
    bool names_reading; /* a variable that decides how texts are read */
};

static bool same_word(const char *text, size_t len, const char *word)
{
    for (size_t i = 0; i < len; i++) {
        char upper = text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - 'a' + 'A') : text[i];
        if (word[i] == '\0' || upper != word[i])
            return false;
    }
    return word[len] == '\0';
}

static bool is_word(const struct pool__token *token, const char *word)
{
    return token->kind == POOL__TOKEN_WORD && same_word(token->text, token->len, word);
}

static bool is_sign(const struct pool__token *token, char sign)
{
    return token->kind == POOL__TOKEN_SIGN && token->text[0] == sign;
}

/* A word, or the same in quotes: the server takes `get_lock`() for the function, too. */
static bool is_name(const struct pool__token *token, const char *word)
{
    if (token->kind == POOL__TOKEN_QUOTED)
        return same_word(token->text + 1, token->len - 2, word);
    return is_word(token, word);
}

static bool is_one_of(const struct pool__token *token, const char *const *words,
                      bool (*matches)(const struct pool__token *, const char *))
{
    for (; *words; words++)
        if (matches(token, *words))
            return true;
    return false;
}

static bool is_session_function(const struct pool__token *token)
{
    /* clang-format off */
    static const char *const functions[] = {
        "GET_LOCK", "RELEASE_LOCK", "RELEASE_ALL_LOCKS", "SETVAL", "NEXTVAL", "SQL_CALC_FOUND_ROWS",
        "SERVICE_GET_READ_LOCKS", "SERVICE_GET_WRITE_LOCKS", "SERVICE_RELEASE_LOCKS",
        "VERSION_TOKENS_LOCK_SHARED", "VERSION_TOKENS_LOCK_EXCLUSIVE", "VERSION_TOKENS_UNLOCK",
        NULL};
    /* clang-format on */
    return is_one_of(token, functions, is_name);
}

/* INSERT INTO is fine, and so is a file; INTO @variable or a name after SELECT is not. */
static bool is_into_variable(const struct reading *reading, const struct pool__token *token)
{
    if (!is_word(&reading->before, "INTO"))
        return false;
    if (is_sign(token, '@'))
        return true;
    bool inserts = is_word(&reading->first, "INSERT") || is_word(&reading->first, "REPLACE");
    return !inserts && !is_word(token, "OUTFILE") && !is_word(token, "DUMPFILE");
}

static bool touches_session(const struct reading *reading, const struct pool__token *token)
{
    if (token->kind == POOL__TOKEN_ASSIGN || token->kind == POOL__TOKEN_COMMENT_SQL)
        return true;
    if (is_session_function(token) || is_into_variable(reading, token))
        return true;
    if (is_word(&reading->before, "NEXT") && is_word(token, "VALUE"))
        return true;
    return is_name(&reading->before_that, "LAST_INSERT_ID") && is_sign(&reading->before, '(') &&
           !is_sign(token, ')');
}

static bool is_any_name(const struct pool__token *token)
{
    return token->kind == POOL__TOKEN_WORD || token->kind == POOL__TOKEN_QUOTED;
}

/* Whether the last name is a table, an alias or a CTE, which may have a list of columns. No
 * expression can start behind the words and signs that are looked for. The COLUMNS of
 * JSON_TABLE, which follow a string, and MEMBER OF come under this as well. */
static bool names_table(const struct reading *reading)
{
    static const char *const targets[] = {"INTO",         "INSERT",  "REPLACE", "IGNORE",
                                          "LOW_PRIORITY", "DELAYED", NULL};
    static const char *const aliases[] = {"AS", "WITH", "RECURSIVE", "MEMBER", NULL};
    const struct pool__token *before = &reading->before_name;
    if (is_one_of(before, targets, is_word))
        return true;
    if (reading->qualified)
        return false;
    if (reading->in_with_list && reading->depth == 1 && is_sign(before, ','))
        return true;
    return before->kind == POOL__TOKEN_QUOTED || is_sign(before, ')') ||
           is_one_of(before, aliases, is_word);
}

/* Decided at the token behind the parenthesis: `name (SELECT` is no call, as that would need
 * parentheses of its own. */
static bool calls_unknown(const struct reading *reading, const struct pool__token *token)
{
    const struct pool__token *name = &reading->before_that;
    const struct pool__token *parenthesis = &reading->before;
    if (!is_sign(parenthesis, '(') || !is_any_name(name))
        return false;
    if (is_word(token, "SELECT") || names_table(reading))
        return false;
    if (name->kind == POOL__TOKEN_QUOTED || reading->qualified)
        return true;
    enum pool__builtins_kind kind = pool__builtins_kind(name->text, name->len);
    if (kind == POOL__NAME_TIGHT_FUNCTION)
        return name->text + name->len != parenthesis->text;
    return kind == POOL__NAME_UNKNOWN;
}

static bool locks_or_writes(const struct reading *reading, const struct pool__token *token)
{
    if (is_word(token, "INTO"))
        return true;
    if (is_word(&reading->before, "FOR"))
        return is_word(token, "UPDATE") || is_word(token, "SHARE");
    return is_word(&reading->before, "LOCK") && is_word(token, "IN");
}

/* SET NAMES and SET CHARACTER SET among them. */
static bool names_reading(const struct pool__token *token)
{
    /* clang-format off */
    static const char *const variables[] = {"SQL_MODE", "NAMES", "CHARSET", "CHARACTER",
                                            "CHARACTER_SET_CLIENT", "CHARACTER_SET_CONNECTION",
                                            "COLLATION_CONNECTION", NULL};
    /* clang-format on */
    return is_one_of(token, variables, is_name);
}

/* Whether from here on semicolons are those of a body. A label makes a compound statement
 * as well: the colon is its second token. */
static bool starts_body(const struct reading *reading, const struct pool__token *token)
{
    static const char *const compounds[] = {"IF",     "CASE", "LOOP",    "WHILE",
                                            "REPEAT", "FOR",  "DECLARE", NULL};
    static const char *const routines[] = {"PROCEDURE", "FUNCTION", "TRIGGER",
                                           "EVENT",     "PACKAGE",  NULL};
    if (reading->tokens == 1)
        return is_one_of(token, compounds, is_word);
    if (reading->tokens == 2 && (is_sign(token, ':') || is_word(&reading->before, "BEGIN")))
        return is_sign(token, ':') || is_word(token, "NOT");
    return (is_word(&reading->first, "CREATE") || is_word(&reading->first, "ALTER")) &&
           is_one_of(token, routines, is_word);
}

/* The list ends at the first word of its statement or, as that may be in parentheses, where
 * one opens behind one that closes. CYCLE is the end of what is understood here. */
static bool ends_with_list(const struct reading *reading, const struct pool__token *token)
{
    static const char *const ends[] = {"SELECT", "VALUES",  "TABLE", "UPDATE", "DELETE",
                                       "INSERT", "REPLACE", "CYCLE", NULL};
    if (reading->depth > 0)
        return false;
    return (is_sign(token, '(') && is_sign(&reading->before, ')')) ||
           is_one_of(token, ends, is_word);
}

static void follow_names(struct reading *reading, const struct pool__token *token)
{
    if (reading->tokens == 1)
        reading->in_with_list = is_word(token, "WITH");
    if (reading->in_with_list) {
        reading->in_with_list = !ends_with_list(reading, token);
        reading->verb = *token;
    }
    if (is_sign(token, '('))
        reading->depth++;
    if (is_sign(token, ')') && reading->depth > 0)
        reading->depth--;
    if (!is_any_name(token))
        return;
    reading->qualified = is_sign(&reading->before, '.');
    if (!reading->qualified || !is_any_name(&reading->before_that))
        reading->before_name = reading->before;
}

static void take_token(struct reading *reading, const struct pool__token *token)
{
    reading->names_reading = reading->names_reading || names_reading(token);
    if (is_sign(token, ';')) {
        reading->ended = true;
        return;
    }
    if (reading->ended) {
        reading->semicolon = true;
        reading->multiple = !reading->has_body;
        return;
    }
    if (reading->tokens < HEAD_TOKENS)
        reading->head[reading->tokens] = *token;
    reading->tokens++;
    if (reading->first.kind == POOL__TOKEN_END && !is_sign(token, '('))
        reading->first = reading->verb = *token;
    reading->has_body = reading->has_body || starts_body(reading, token);
    reading->touches_session = reading->touches_session || touches_session(reading, token) ||
                               calls_unknown(reading, token);
    follow_names(reading, token);
    reading->not_read_only = reading->not_read_only || locks_or_writes(reading, token);
    reading->before_that = reading->before;
    reading->before = *token;
}

/* Compares the first tokens with words; "x" stands for any name, "..." for anything. */
static bool matches(const struct reading *reading, const char *const *pattern)
{
    size_t at = 0;
    for (; pattern[at]; at++) {
        if (strcmp(pattern[at], "...") == 0)
            return true;
        if (at == reading->tokens)
            return false;
        const struct pool__token *token = &reading->head[at];
        if (strcmp(pattern[at], "x") == 0 ? !is_any_name(token) : !is_word(token, pattern[at]))
            return false;
    }
    return at == reading->tokens;
}

/* Without AND CHAIN and RELEASE, and without the compound BEGIN NOT ATOMIC. */
static bool is_transaction(const struct reading *reading)
{
    static const char *const patterns[][HEAD_TOKENS + 1] = {
        {"BEGIN"},
        {"BEGIN", "WORK"},
        {"START", "TRANSACTION", "..."},
        {"COMMIT"},
        {"COMMIT", "WORK"},
        {"ROLLBACK"},
        {"ROLLBACK", "WORK"},
        {"ROLLBACK", "TO", "x"},
        {"ROLLBACK", "TO", "SAVEPOINT", "x"},
        {"ROLLBACK", "WORK", "TO", "x"},
        {"ROLLBACK", "WORK", "TO", "SAVEPOINT", "x"},
        {"SAVEPOINT", "x"},
        {"RELEASE", "SAVEPOINT", "x"},
    };
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (matches(reading, patterns[i]))
            return true;
    return false;
}

static bool is_plain(const struct reading *reading)
{
    static const char *const starts[] = {"SELECT",  "INSERT", "UPDATE", "DELETE",
                                         "REPLACE", "WITH",   "VALUES", NULL};
    if (is_sign(&reading->head[0], '('))
        return is_word(&reading->first, "SELECT");
    return is_one_of(&reading->first, starts, is_word);
}

static enum pool__sql_class classify(const struct reading *reading, bool doubtful)
{
    if (doubtful || reading->multiple || reading->touches_session || reading->has_body)
        return POOL__SQL_OTHER;
    if (is_transaction(reading))
        return POOL__SQL_TRANSACTION;
    return is_plain(reading) ? POOL__SQL_PLAIN : POOL__SQL_OTHER;
}

static bool rolls_back_to_savepoint(const struct reading *reading)
{
    return is_word(&reading->head[1], "TO") || is_word(&reading->head[2], "TO");
}

static bool begins(const struct pool__token *head)
{
    if (is_word(&head[0], "XA"))
        return is_word(&head[1], "START") || is_word(&head[1], "BEGIN");
    return is_word(&head[0], "BEGIN") ||
           (is_word(&head[0], "START") && is_word(&head[1], "TRANSACTION"));
}

static bool hides_statements(const struct reading *reading)
{
    static const char *const runners[] = {"CALL", "EXECUTE", "XA", NULL};
    static const char *const makers[] = {"CREATE", "ALTER", NULL};
    const struct pool__token *first = &reading->head[0];
    bool runs_body = reading->has_body && !is_one_of(first, makers, is_word);
    return reading->multiple || runs_body || is_one_of(first, runners, is_word) ||
           first->kind == POOL__TOKEN_COMMENT_SQL;
}

static enum pool__sql_turn turn_of(const struct reading *reading, bool doubtful)
{
    const struct pool__token *head = reading->head;
    bool one = !doubtful && !reading->multiple && !reading->has_body;
    if (one && begins(head))
        return POOL__TURN_BEGIN;
    if (doubtful || hides_statements(reading))
        return POOL__TURN_HIDDEN;
    if (is_word(&head[0], "COMMIT"))
        return POOL__TURN_COMMIT;
    if (is_word(&head[0], "ROLLBACK") && !rolls_back_to_savepoint(reading))
        return POOL__TURN_ROLLBACK;
    return POOL__TURN_NONE;
}

/* A routine, or a trigger, puts them back at its end. What EXECUTE runs is not seen. */
static bool rereads(const struct reading *reading, bool doubtful)
{
    const struct pool__token *first = &reading->head[0];
    if (is_word(first, "EXECUTE"))
        return true;
    bool sets = is_word(first, "SET") || reading->multiple || reading->has_body || doubtful ||
                first->kind == POOL__TOKEN_COMMENT_SQL;
    return sets && reading->names_reading;
}

static bool is_read_only(const struct reading *reading)
{
    return !reading->not_read_only &&
           (is_word(&reading->first, "SELECT") || is_word(&reading->first, "VALUES"));
}

/* Whether a placeholder in an executable comment is one depends on the server's version. */
static bool read_statement(struct pool__lexer *lexer, struct reading *reading, bool *uncertain,
                           struct pool_error *err)
{
    struct pool__token token;
    for (;;) {
        if (!pool__lexer_next(lexer, &token, err))
            return false;
        if (token.kind == POOL__TOKEN_END)
            break;
        *uncertain = *uncertain || (token.kind == POOL__TOKEN_PLACEHOLDER && lexer->in_comment);
        take_token(reading, &token);
    }
    if (reading->tokens == 0 && !reading->multiple)
        return pool__fail(err, POOL_ERR_INVALID, "statement is empty");
    return true;
}

static bool inspect(const char *sql, size_t len, enum pool__quotes quotes,
                    struct pool__sql_info *ret_info, struct pool_error *err)
{
    struct pool__lexer lexer = {0};
    struct reading reading = {0};
    bool uncertain = false;
    bool ok = pool__lexer_init_for(&lexer, sql, len, quotes, err) &&
              read_statement(&lexer, &reading, &uncertain, err);
    ret_info->escaped_quote = lexer.escaped_quote;
    ret_info->semicolon = ok ? reading.semicolon : reading.ended;
    if (!ok)
        return false;
    ret_info->class_ = classify(&reading, lexer.doubt != NULL);
    ret_info->turn = turn_of(&reading, lexer.doubt != NULL);
    ret_info->updates = !reading.multiple && is_word(&reading.verb, "UPDATE");
    ret_info->placeholders = lexer.placeholders;
    ret_info->named = lexer.named;
    ret_info->multiple = reading.multiple;
    ret_info->read_only = ret_info->class_ == POOL__SQL_PLAIN && is_read_only(&reading);
    ret_info->uncertain = uncertain || lexer.doubt;
    ret_info->rereads = rereads(&reading, lexer.doubt != NULL);
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
        info->turn = POOL__TURN_HIDDEN;
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
