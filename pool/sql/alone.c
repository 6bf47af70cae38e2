/*
 * Where the placeholders of a statement stand.
 *
 * MariaDB takes the rows of a bulk INSERT for one statement: what it can evaluate before the
 * first row it evaluates once, be it a sub-select, a CASE, an `? IS NULL` or the seed of a
 * RAND. MySQL, in turn, keeps what it has found out about the type of an expression around a
 * value. Neither happens to a value that stands alone:
 *
 *     VALUES (?, ?)          a whole value of a row
 *     SET a = ?, b = ?       likewise, and behind ON DUPLICATE KEY UPDATE
 *     WHERE a = ? AND b = ?  compared with a column, in UPDATE, DELETE and SELECT
 *
 * An INSERT must not have other parts either that would be different for each row if the rows
 * went one by one: sub-selects, and functions that tell of the statement before. NOW() and kin
 * are not among them: the time of a statement is that of its packet.
 *
 * The statement is read token by token, with a memory of the last few. What is not understood
 * does not stand alone, which costs time and nothing else. No locks, no I/O.
 */
#include "sql/alone.h"

#include "sql/builtins.h"
#include "sql/lexer.h"
#include "sql/words.h"

enum part {
    IN_HEAD, /* before the values */
    IN_ROWS,
    IN_LIST /* of columns and what they are set to */
};

struct reading {
    struct pool__token first;
    struct pool__token before;
    struct pool__token before_that;
    struct pool__token before_name; /* what precedes the last name, which may be a.b.c */
    size_t depth;                   /* open parentheses */
    enum part part;
    bool inserts;
    bool waits; /* the token before is a placeholder that stands alone if the next one allows it */
    bool fails;
};

static bool is_one_of(const struct pool__token *token, const char *const *words)
{
    return pool__words_is_one_of(token, words, pool__words_is);
}

/* ---- a placeholder ---- */

/* `column =`, and that is all there is before it. */
static bool is_behind_column(const struct reading *reading)
{
    static const char *const sets[] = {"SET", "UPDATE", NULL};
    static const char *const compares[] = {"SET", "WHERE", "AND", "OR", NULL};
    const struct pool__token *start = &reading->before_name;
    if (!pool__words_is_sign(&reading->before, '=') ||
        !pool__words_is_any_name(&reading->before_that))
        return false;
    if (reading->inserts)
        return reading->depth == 0 && (pool__words_is_sign(start, ',') || is_one_of(start, sets));
    return pool__words_is_sign(start, ',') || pool__words_is_sign(start, '(') ||
           is_one_of(start, compares);
}

static bool may_begin(const struct reading *reading)
{
    if (reading->part == IN_ROWS)
        return reading->depth == 1 && (pool__words_is_sign(&reading->before, '(') ||
                                       pool__words_is_sign(&reading->before, ','));
    return (reading->part == IN_LIST || !reading->inserts) && is_behind_column(reading);
}

static bool may_end(const struct reading *reading, const struct pool__token *next)
{
    static const char *const sets[] = {"ON", "RETURNING", NULL};
    static const char *const compares[] = {"WHERE", "AND",   "OR",        "ORDER",
                                           "GROUP", "LIMIT", "RETURNING", NULL};
    if (pool__words_is_sign(next, ','))
        return true;
    if (reading->part == IN_ROWS)
        return pool__words_is_sign(next, ')');
    if (next->kind == POOL__TOKEN_END || pool__words_is_sign(next, ';'))
        return true;
    return reading->inserts ? is_one_of(next, sets)
                            : pool__words_is_sign(next, ')') || is_one_of(next, compares);
}

/* ---- the rest ---- */

/* They tell of the statement before, go on from row to row, say something about each row, or are
 * not known. */
static bool is_fickle_call(const struct reading *reading)
{
    static const char *const fickle[] = {"ROW_COUNT",      "FOUND_ROWS", "RAND",
                                         "LASTVAL",        "SLEEP",      "BENCHMARK",
                                         "LAST_INSERT_ID", "SETVAL",     NULL};
    const struct pool__token *name = &reading->before_that;
    if (!pool__words_is_sign(&reading->before, '(') || !pool__words_is_any_name(name))
        return false;
    return is_one_of(name, fickle) || name->kind == POOL__TOKEN_QUOTED ||
           pool__builtins_kind(name->text, name->len) == POOL__BUILTINS_UNKNOWN;
}

/* Something other than a value that may differ from row to row. */
static bool is_fickle(const struct reading *reading, const struct pool__token *token)
{
    if (token->kind == POOL__TOKEN_COMMENT_SQL || token->kind == POOL__TOKEN_ASSIGN)
        return true;
    if (pool__words_is(&reading->first, "SELECT"))
        return false;
    if (pool__words_is(token, "SELECT") || pool__words_is_sign(token, '@'))
        return true;
    return reading->part != IN_HEAD && is_fickle_call(reading);
}

static void follow_parts(struct reading *reading, const struct pool__token *token)
{
    static const char *const rows[] = {"VALUES", "VALUE", NULL};
    static const char *const ends[] = {"ON", "RETURNING", NULL};
    if (!reading->inserts || reading->depth > 0)
        return;
    if (reading->part == IN_HEAD && is_one_of(token, rows))
        reading->part = IN_ROWS;
    else if (reading->part == IN_HEAD && pool__words_is(token, "SET"))
        reading->part = IN_LIST;
    else if (reading->part == IN_ROWS && is_one_of(token, ends))
        reading->part = IN_LIST;
}

static void take_token(struct reading *reading, const struct pool__token *token)
{
    bool place = token->kind == POOL__TOKEN_PLACEHOLDER;
    reading->fails = reading->fails || (reading->waits && !may_end(reading, token)) ||
                     (place && !may_begin(reading)) || is_fickle(reading, token);
    reading->waits = place;
    follow_parts(reading, token);
    if (pool__words_is_sign(token, '('))
        reading->depth++;
    if (pool__words_is_sign(token, ')') && reading->depth > 0)
        reading->depth--;
    if (pool__words_is_any_name(token) && !pool__words_is_sign(&reading->before, '.'))
        reading->before_name = reading->before;
    reading->before_that = reading->before;
    reading->before = *token;
}

static bool begin(struct reading *reading, const struct pool__token *token)
{
    static const char *const inserts[] = {"INSERT", "REPLACE", NULL};
    static const char *const others[] = {"UPDATE", "DELETE", "SELECT", NULL};
    reading->first = *token;
    reading->before = *token;
    reading->inserts = is_one_of(token, inserts);
    return reading->inserts || is_one_of(token, others);
}

bool pool__alone_is(const char *sql, size_t len)
{
    struct pool__lexer lexer;
    struct pool__token token;
    struct reading reading = {.part = IN_HEAD};
    if (!pool__lexer_init(&lexer, sql, len, NULL) || !pool__lexer_next(&lexer, &token, NULL) ||
        !begin(&reading, &token))
        return false;
    while (!reading.fails && token.kind != POOL__TOKEN_END) {
        if (!pool__lexer_next(&lexer, &token, NULL))
            return false;
        take_token(&reading, &token);
    }
    return !reading.fails && !lexer.doubt;
}
