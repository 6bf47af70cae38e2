/*
 * The gist of a text, and what kind of statement that makes it. See gist.c.
 */
#ifndef POOL_SQL_GIST_H
#define POOL_SQL_GIST_H

#include "sql/inspect.h"
#include "sql/lexer.h"

#include <stdbool.h>
#include <stddef.h>

/* TRANSACTION statements have at most this many tokens, but for START TRANSACTION. */
#define POOL__GIST_HEAD 5

/* What has been seen so far of one text. */
struct pool__gist {
    struct pool__token head[POOL__GIST_HEAD]; /* the first tokens */
    size_t tokens;                            /* in the first statement */
    struct pool__token first;                 /* the first that is not an opening parenthesis */
    struct pool__token verb;                  /* the same, but behind a WITH and its list */
    struct pool__token before;                /* the last token, */
    struct pool__token before_that;           /* and the one before */
    struct pool__token before_name;           /* what precedes the last name, which may be a.b.c */
    bool qualified;                           /* the last name has a dot */
    bool in_with_list;                        /* between WITH and the statement it serves */
    size_t depth;                             /* open parentheses */
    bool ended;                               /* a semicolon has been seen */
    bool multiple;
    bool semicolon; /* with something behind it */
    bool has_body;  /* its semicolons separate nothing */
    bool touches_session;
    bool not_read_only;
    bool names_reading; /* a variable that decides how texts are read */
};

/* `doubtful`: sessions may read it in different ways. */
enum pool__sql_class pool__gist_class(const struct pool__gist *gist, bool doubtful);
enum pool__sql_turn pool__gist_turn(const struct pool__gist *gist, bool doubtful);
/* Whether a variable that the statement sets may change what another text means. */
bool pool__gist_rereads(const struct pool__gist *gist, bool doubtful);
bool pool__gist_is_read_only(const struct pool__gist *gist);

#endif
