/*
 * The tokens of an SQL text, as far as the pool needs them: placeholders, words, quoted
 * things and a few signs. Read the essay of lexer.c for what is refused, and why.
 * One thread at a time per lexer.
 */
#ifndef POOL_SQL_LEXER_H
#define POOL_SQL_LEXER_H

#include "mypool.h"

#define POOL__MAX_PLACEHOLDERS 65535 /* the binary protocol counts them in 16 bits */

/* How a session reads quotes, which depends on its sql_mode. */
enum pool__quotes {
    POOL__QUOTES_UNKNOWN,
    POOL__QUOTES_ESCAPED, /* a backslash in '...' and "..." takes the next character along */
    POOL__QUOTES_ANSI,    /* in '...' alone, "..." being a name: ANSI_QUOTES */
    POOL__QUOTES_BARE     /* in neither: NO_BACKSLASH_ESCAPES, with ANSI_QUOTES or not */
};

enum pool__token_kind {
    POOL__TOKEN_END,
    POOL__TOKEN_WORD,        /* a keyword, a name, a number */
    POOL__TOKEN_QUOTED,      /* '...', "..." or `...`, with its quotes */
    POOL__TOKEN_PLACEHOLDER, /* ? or :name */
    POOL__TOKEN_ASSIGN,      /* := */
    POOL__TOKEN_COMMENT_SQL, /* the start of an executable comment; its SQL follows */
    POOL__TOKEN_SIGN         /* any other single byte */
};

struct pool__token {
    enum pool__token_kind kind;
    const char *text; /* in the statement; not NUL-terminated */
    size_t len;
};

/* Only lexer.c writes the fields. `at` never passes `len`. */
struct pool__lexer {
    const char *sql;
    size_t len;
    size_t at;
    enum pool__quotes quotes;
    enum pool__token_kind last; /* the token before, */
    size_t last_end;            /* and where it ends */
    size_t comment_start;       /* of the executable comment that is open */
    bool in_comment;            /* inside an executable comment */
    const char *doubt;          /* why servers may disagree about the rest, or NULL */
    size_t doubt_at;
    bool escaped_quote; /* a backslash before a quote was seen: other `quotes` read on otherwise */
    size_t escaped_quote_at;
    unsigned placeholders; /* so far */
    bool named;            /* they are :name, not ? */
};

/* Borrows `sql`. False if it is NULL, has a NUL byte, or is not UTF-8. */
bool pool__lexer_init(struct pool__lexer *lexer, const char *sql, size_t len,
                      struct pool_error *err);

/* The same, to read the text as a session with these quotes does. If they are unknown, a backslash
 * before a quote is a doubt like others: placeholders behind it are refused. */
bool pool__lexer_init_for(struct pool__lexer *lexer, const char *sql, size_t len,
                          enum pool__quotes quotes, struct pool_error *err);

/* Finds the next token; comments and blanks are skipped. False if the text is broken, or
 * if it is uncertain whether a placeholder is one. */
bool pool__lexer_next(struct pool__lexer *lexer, struct pool__token *ret_token,
                      struct pool_error *err);

#endif
