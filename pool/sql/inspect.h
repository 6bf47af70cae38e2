/*
 * What the pool must know about an SQL text: whether it may leave traces in the session,
 * how many values it takes, and how it looks with lists spread out or literals filled in.
 * Offsets and lengths are bytes. threads: any.
 */
#ifndef POOL_SQL_INSPECT_H
#define POOL_SQL_INSPECT_H

#include "mypool.h"

#include <stdbool.h>
#include <stddef.h>

enum pool__sql_class {
    POOL__SQL_PLAIN,       /* reads or writes rows; leaves nothing behind in the session */
    POOL__SQL_TRANSACTION, /* leaves nothing behind once no transaction is open */
    POOL__SQL_OTHER        /* anything else, or not certain */
};

/* What a statement means to an open transaction. */
enum pool__sql_turn {
    POOL__SQL_TURN_NONE, /* nothing; or it commits, being what it is, as CREATE TABLE does */
    POOL__SQL_TURN_BEGIN,
    POOL__SQL_TURN_COMMIT,
    POOL__SQL_TURN_ROLLBACK, /* of all of it */
    POOL__SQL_TURN_HIDDEN    /* it runs statements that are not seen here */
};

#define POOL__READINGS 3 /* of quotes: see enum pool__quotes */

struct pool__sql_info {
    enum pool__sql_class class_; /* the worst of all readings */
    enum pool__sql_turn turn;
    unsigned placeholders;           /* each use of a :name counts; the most of all readings */
    unsigned counts[POOL__READINGS]; /* of each reading; twice the same where one is impossible */
    bool named;                      /* the placeholders are :name */
    bool multiple;                   /* several statements; the body of a routine counts as one */
    bool updates;                    /* a single UPDATE */
    bool semicolon;                  /* something stands behind a semicolon, were it in a body */
    bool read_only;     /* a plain SELECT or VALUES that takes no row locks and writes no file */
    bool escaped_quote; /* what is a string depends on the session */
    bool uncertain;     /* the server may count other placeholders */
    bool rereads;       /* what it sets may change what another text means */
};

/* False with POOL_ERR_INVALID if the text is empty or cannot be read with certainty: see
 * lexer.c. A text with a backslash before a quote is read in all ways in which a session may
 * read it; those in which a string has no end are left out, for a server in such a session
 * refuses it. Where the server may count other placeholders (`uncertain`), compare with the
 * count of the prepared statement before anything is bound. */
bool pool__inspect(const char *sql, size_t len, struct pool__sql_info *ret_info,
                   struct pool_error *err);

/* Whether the statement has so many placeholders in one of the readings. */
static inline bool pool__inspect_takes(const struct pool__sql_info *info, size_t count)
{
    return info->counts[0] == count || info->counts[1] == count || info->counts[2] == count;
}

#endif
