/*
 * The tokenizer: where placeholders are, in the eyes of the server.
 *
 * Literals are only safe at a place that the server, too, takes for a placeholder. The
 * server's reading depends on settings that the pool cannot know for sure:
 *
 *   - With NO_BACKSLASH_ESCAPES (and in "..." with ANSI_QUOTES) a backslash is an ordinary
 *     character, so 'a\' is a whole string; otherwise it goes on. All readings are the
 *     same up to the first quote after an odd number of backslashes.
 *   - An executable comment is SQL for some versions, and skipped by others, who look for
 *     the end of the comment without looking at quotes. Both readings are the same unless
 *     it contains another comment, or quotes around a comment mark.
 *   - $tag$ opens a string in new versions of MySQL only.
 *
 * So the text is read the default way, and the first such spot is remembered as a doubt:
 * up to there all servers agree. A placeholder behind it is refused, with the advice to
 * pass such text as a value; a statement without one is harmless and is accepted, but
 * must not be relied upon to be what it looks like.
 *
 * Backslashes have three readings (enum pool__quotes). Who knows the session, or tries all
 * three as inspect.c and readings.c do, tells the lexer which to follow; then they are no doubt,
 * and `escaped_quote` says whether the others may go on otherwise.
 *
 * What looks like SQL within an executable comment is reported like any other SQL, but
 * those who write literals there must not write a comment mark.
 */
#include "sql/lexer.h"

#include "base/error.h"
#include "sql/chars.h"
#include "sql/value.h"

#include <string.h>

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

/* A name start, a digit or a dollar: one bit for each, as most bytes of a text come by here. */
static inline bool is_word(char c)
{
    static const uint64_t set[4] = {UINT64_C(0x03FF001000000000), UINT64_C(0x07FFFFFE87FFFFFE),
                                    UINT64_MAX, UINT64_MAX};
    unsigned char byte = (unsigned char)c;
    return set[byte / 64] >> byte % 64 & 1;
}

/* The byte `ahead` of the current one, or NUL behind the end; the text has no NUL. */
static char peek(const struct pool__lexer *lexer, size_t ahead)
{
    return lexer->len - lexer->at > ahead ? lexer->sql[lexer->at + ahead] : '\0';
}

static bool looking_at(const struct pool__lexer *lexer, const char *text)
{
    size_t len = strlen(text);
    return lexer->len - lexer->at >= len && memcmp(lexer->sql + lexer->at, text, len) == 0;
}

/* Only the first doubt counts: behind it everything is doubtful. */
static void doubt(struct pool__lexer *lexer, size_t at, const char *why)
{
    if (lexer->doubt)
        return;
    lexer->doubt = why;
    lexer->doubt_at = at;
}

bool pool__lexer_init_for(struct pool__lexer *lexer, const char *sql, size_t len,
                          enum pool__quotes quotes, struct pool_error *err)
{
    if (!sql)
        return pool__fail(err, POOL_ERR_INVALID, "no statement was given");
    const char *nul = memchr(sql, '\0', len);
    if (nul)
        return pool__fail(err, POOL_ERR_INVALID, "statement has a NUL at byte %zu",
                          (size_t)(nul - sql));
    size_t valid = pool__value_utf8_length(sql, len);
    if (valid < len)
        return pool__fail(err, POOL_ERR_INVALID, "statement is not valid UTF-8 at byte %zu", valid);
    *lexer = (struct pool__lexer){.sql = sql, .len = len, .quotes = quotes};
    return true;
}

bool pool__lexer_init(struct pool__lexer *lexer, const char *sql, size_t len,
                      struct pool_error *err)
{
    return pool__lexer_init_for(lexer, sql, len, POOL__QUOTES_UNKNOWN, err);
}

static void skip_line(struct pool__lexer *lexer)
{
    const char *end = memchr(lexer->sql + lexer->at, '\n', lexer->len - lexer->at);
    lexer->at = end ? (size_t)(end - lexer->sql) + 1 : lexer->len;
}

static bool skip_long_comment(struct pool__lexer *lexer, struct pool_error *err)
{
    size_t start = lexer->at;
    const char *text = lexer->sql + start + 2;
    const char *end = memmem(text, lexer->len - start - 2, "*/", 2);
    if (!end)
        return pool__fail(err, POOL_ERR_INVALID, "comment that starts at byte %zu has no end",
                          start);
    lexer->at = (size_t)(end - lexer->sql) + 2;
    return true;
}

/* The server wants a blank or a control character after the dashes, and takes the end of
 * the text for one. */
static bool at_line_comment(const struct pool__lexer *lexer)
{
    if (peek(lexer, 0) == '#')
        return true;
    char after = peek(lexer, 2);
    return looking_at(lexer, "--") && ((unsigned char)after <= ' ' || after == 0x7F);
}

static bool at_executable_comment(const struct pool__lexer *lexer)
{
    return looking_at(lexer, "/*!") || looking_at(lexer, "/*M!");
}

static bool skip_comment(struct pool__lexer *lexer, struct pool_error *err)
{
    if (lexer->in_comment)
        doubt(lexer, lexer->at, "a comment inside an executable comment");
    if (looking_at(lexer, "/*"))
        return skip_long_comment(lexer, err);
    skip_line(lexer);
    return true;
}

/* Skips blanks, comments, and the end of an executable comment. */
static bool skip_silence(struct pool__lexer *lexer, struct pool_error *err)
{
    for (;;) {
        if (pool__is_blank(peek(lexer, 0))) {
            lexer->at++;
        } else if (lexer->in_comment && looking_at(lexer, "*/")) {
            lexer->in_comment = false;
            lexer->at += 2;
        } else if (at_line_comment(lexer) ||
                   (looking_at(lexer, "/*") && !at_executable_comment(lexer))) {
            if (!skip_comment(lexer, err))
                return false;
        } else {
            return true;
        }
    }
}

static void scan_executable_comment(struct pool__lexer *lexer)
{
    if (lexer->in_comment)
        doubt(lexer, lexer->at, "a comment inside an executable comment");
    lexer->in_comment = true;
    lexer->comment_start = lexer->at;
    lexer->at += looking_at(lexer, "/*!") ? 3 : 4;
    while (pool__is_digit(peek(lexer, 0)))
        lexer->at++; /* the version from which on it is SQL */
}

static bool fail_quote(size_t start, char quote, struct pool_error *err)
{
    return pool__fail(err, POOL_ERR_INVALID, "%s that starts at byte %zu has no closing %c",
                      quote == '`' ? "identifier" : "string", start, quote);
}

static bool has_escapes(const struct pool__lexer *lexer, char quote)
{
    if (lexer->quotes == POOL__QUOTES_BARE)
        return false;
    return quote == '\'' || (quote == '"' && lexer->quotes != POOL__QUOTES_ANSI);
}

/* Moves from a backslash to the character that it takes along. */
static void step_over_backslash(struct pool__lexer *lexer, char quote)
{
    lexer->at++;
    if (peek(lexer, 0) != quote || lexer->escaped_quote)
        return;
    if (lexer->quotes == POOL__QUOTES_UNKNOWN)
        doubt(lexer, lexer->at, "a backslash before a quote");
    lexer->escaped_quote = true;
    lexer->escaped_quote_at = lexer->at;
}

/* Moves behind the closing quote. A doubled quote stands for itself, in all three kinds. */
static bool scan_quoted(struct pool__lexer *lexer, struct pool_error *err)
{
    size_t start = lexer->at++;
    char quote = lexer->sql[start];
    bool escapes = has_escapes(lexer, quote);
    for (; lexer->at < lexer->len; lexer->at++) {
        char c = lexer->sql[lexer->at];
        if (c == '\\' && escapes && lexer->at + 1 < lexer->len) {
            step_over_backslash(lexer, quote);
        } else if (c == quote) {
            if (peek(lexer, 1) != quote)
                break;
            lexer->at++;
        }
    }
    if (lexer->at >= lexer->len)
        return fail_quote(start, quote, err);
    lexer->at++;
    const char *text = lexer->sql + start;
    size_t len = lexer->at - start;
    if (lexer->in_comment && (memmem(text, len, "*/", 2) || memmem(text, len, "/*", 2)))
        doubt(lexer, start, "quotes around a comment mark inside an executable comment");
    return true;
}

static void scan_word(struct pool__lexer *lexer)
{
    size_t start = lexer->at;
    size_t at = start;
    while (at < lexer->len && is_word(lexer->sql[at]))
        at++;
    lexer->at = at;
    if (lexer->sql[start] == '$' && memchr(lexer->sql + start + 1, '$', lexer->at - start - 1))
        doubt(lexer, start, "a dollar quote");
}

/* A colon is not the start of a placeholder if it touches a name, a number, a quote, an @ or
 * another colon before it. It is if it touches a placeholder: `:a:b` is two of them, as `??`
 * is, whatever the server says of that. */
static bool at_name_placeholder(const struct pool__lexer *lexer)
{
    if (peek(lexer, 0) != ':' || !is_name_start(peek(lexer, 1)))
        return false;
    if (lexer->at == 0 || lexer->last_end != lexer->at)
        return true;
    if (lexer->last == POOL__TOKEN_SIGN)
        return !strchr(":@", lexer->sql[lexer->at - 1]);
    return lexer->last != POOL__TOKEN_WORD && lexer->last != POOL__TOKEN_QUOTED;
}

static bool scan_placeholder(struct pool__lexer *lexer, struct pool_error *err)
{
    size_t start = lexer->at++;
    bool named = lexer->sql[start] == ':';
    while (named && is_word(peek(lexer, 0)))
        lexer->at++;
    if (lexer->doubt)
        return pool__fail(err, POOL_ERR_INVALID,
                          "placeholder at byte %zu follows %s at byte %zu, which servers read in "
                          "different ways: pass such text as a value",
                          start, lexer->doubt, lexer->doubt_at);
    if (lexer->placeholders > 0 && named != lexer->named)
        return pool__fail(err, POOL_ERR_INVALID,
                          "statement has both ? and :name placeholders (at byte %zu)", start);
    if (lexer->placeholders == POOL__MAX_PLACEHOLDERS)
        return pool__fail(err, POOL_ERR_INVALID, "statement has more than %d placeholders",
                          POOL__MAX_PLACEHOLDERS);
    lexer->placeholders++;
    lexer->named = named;
    return true;
}

/* Moves behind the token at the current byte and tells its kind. */
static bool scan(struct pool__lexer *lexer, enum pool__token_kind *kind, struct pool_error *err)
{
    char c = peek(lexer, 0);
    if (c == '\'' || c == '"' || c == '`') {
        *kind = POOL__TOKEN_QUOTED;
        return scan_quoted(lexer, err);
    }
    if (c == '?' || at_name_placeholder(lexer)) {
        *kind = POOL__TOKEN_PLACEHOLDER;
        return scan_placeholder(lexer, err);
    }
    if (is_word(c)) {
        *kind = POOL__TOKEN_WORD;
        scan_word(lexer);
    } else if (at_executable_comment(lexer)) {
        *kind = POOL__TOKEN_COMMENT_SQL;
        scan_executable_comment(lexer);
    } else {
        *kind = looking_at(lexer, ":=") ? POOL__TOKEN_ASSIGN : POOL__TOKEN_SIGN;
        lexer->at += *kind == POOL__TOKEN_ASSIGN ? 2 : 1;
    }
    return true;
}

bool pool__lexer_next(struct pool__lexer *lexer, struct pool__token *ret_token,
                      struct pool_error *err)
{
    if (!skip_silence(lexer, err))
        return false;
    size_t start = lexer->at;
    enum pool__token_kind kind = POOL__TOKEN_END;
    if (start < lexer->len) {
        if (!scan(lexer, &kind, err))
            return false;
    } else if (lexer->in_comment) {
        return pool__fail(err, POOL_ERR_INVALID, "comment that starts at byte %zu has no end",
                          lexer->comment_start);
    }
    *ret_token = (struct pool__token){kind, lexer->sql + start, lexer->at - start};
    lexer->last = kind;
    lexer->last_end = lexer->at;
    return true;
}
