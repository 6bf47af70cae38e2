/*
 * Which statement of a text has failed. The server runs them one after the other, sends a result
 * for each, and stops at the first that fails; so the results tell. A CALL may have any number
 * of them, and an EXECUTE may be one: behind those nothing but the results can be counted.
 *
 * Runs after a failure only. No locks, no I/O.
 */
#include "sql/several.h"

#include "base/error.h"
#include "sql/lexer.h"
#include "sql/words.h"

#include <stdio.h>

struct count {
    unsigned statements;
    bool uncertain; /* one of them may have more than one result */
};

/* Statements that are empty get no answer. */
static struct count count_statements(const char *sql, size_t len)
{
    struct count count = {0, false};
    struct pool__lexer lexer;
    struct pool__token token;
    bool within = false;
    if (!pool__lexer_init(&lexer, sql, len, NULL))
        return count;
    while (pool__lexer_next(&lexer, &token, NULL) && token.kind != POOL__TOKEN_END) {
        bool ends = pool__words_is_sign(&token, ';');
        count.statements += !ends && !within;
        count.uncertain = count.uncertain || token.kind == POOL__TOKEN_COMMENT_SQL ||
                          pool__words_is(&token, "CALL") || pool__words_is(&token, "EXECUTE") ||
                          pool__words_is(&token, "ATOMIC");
        within = !ends;
    }
    return count;
}

void pool__several_tell(const char *sql, size_t len, unsigned results, bool broken,
                        struct pool_error *err)
{
    struct count count = count_statements(sql, len);
    char before[96] = "";
    char behind[96] = "";
    if (count.uncertain || results >= count.statements)
        snprintf(before, sizeof before, "after %u result%s: ", results, results == 1 ? "" : "s");
    else
        snprintf(before, sizeof before, "%sstatement %u of %u: ", broken ? "reply to " : "",
                 results + 1, count.statements);
    if (results == 1 && !count.uncertain)
        snprintf(behind, sizeof behind, "; statement 1 was executed");
    else if (results > 1 && !count.uncertain)
        snprintf(behind, sizeof behind, "; statements 1 to %u were executed", results);
    pool__error_reword(err, before, behind);
    err->not_executed = err->not_executed && results == 0;
}
