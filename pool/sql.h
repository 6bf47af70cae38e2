/*
 * What the pool must know about an SQL text: whether it may leave traces in the session,
 * how many values it takes, and how it looks with lists spread out or literals filled in.
 * Offsets and lengths are bytes. threads: any.
 */
#ifndef POOL_SQL_H
#define POOL_SQL_H

#include "mypool.h"

enum pool__sql_class {
    POOL__SQL_PLAIN,       /* reads or writes rows; leaves nothing behind in the session */
    POOL__SQL_TRANSACTION, /* leaves nothing behind once no transaction is open */
    POOL__SQL_OTHER        /* anything else, or not certain */
};

/* What it means to an open transaction. */
enum pool__sql_turn {
    POOL__TURN_NONE, /* nothing; or it commits, being what it is, as CREATE TABLE does */
    POOL__TURN_BEGIN,
    POOL__TURN_COMMIT,
    POOL__TURN_ROLLBACK, /* of all of it */
    POOL__TURN_HIDDEN    /* it runs statements that are not seen here */
};

struct pool__sql_info {
    enum pool__sql_class class_;
    enum pool__sql_turn turn;
    unsigned placeholders; /* each use of a :name counts */
    bool named;            /* the placeholders are :name */
    bool multiple;         /* several statements; the body of a routine counts as one */
    bool updates;          /* a single UPDATE */
    bool read_only;        /* a plain SELECT or VALUES that takes no row locks and writes no file */
};

/* False with POOL_ERR_INVALID if the text is empty or cannot be read with certainty: see
 * token.c. The server may still count placeholders differently (NO_BACKSLASH_ESCAPES,
 * executable comments of another version): compare with the count of the prepared
 * statement before binding. */
bool pool__sql_inspect(const char *sql, size_t len, struct pool__sql_info *ret_info,
                       struct pool_error *err);

/* One placeholder and the value that goes there. */
struct pool__sql_place {
    size_t start;
    size_t len;
    const struct pool_value *value;
    bool in_comment; /* inside an executable comment: no comment marks, please */
};

struct pool__sql_places {
    struct pool__sql_place *places; /* in the order of the text */
    size_t count;
    size_t capacity;
};

/* Checks the values and finds their places; every value must have one and every place a
 * value. Free with pool__sql_places_free, also after a failure. */
bool pool__sql_places_find(struct pool__sql_places *places, const char *sql, size_t len,
                           struct pool_args args, struct pool_error *err);
void pool__sql_places_free(struct pool__sql_places *places);

/* Whether the values need pool__sql_expand before the statement can be prepared. */
bool pool__sql_needs_expansion(struct pool_args args);

/* A statement with ? only, and one single value for each. */
struct pool__sql_expanded {
    char *sql; /* NUL-terminated */
    size_t len;
    const struct pool_value **values; /* point into the arguments of the call */
    size_t count;
};

/* Replaces :name by ?, and the ? of a list by as many as it has values, padded with the
 * last value up to a power of two (unless that would be too many); that of an empty list
 * by NULL. The caller frees the result with pool__sql_expanded_free. */
bool pool__sql_expand(const char *sql, size_t len, struct pool_args args,
                      struct pool__sql_expanded *ret_expanded, struct pool_error *err);
void pool__sql_expanded_free(struct pool__sql_expanded *expanded); /* {0} is allowed */

/* The statement with literals in the places of its placeholders, NUL-terminated; the
 * caller frees it with free(). */
bool pool__sql_format(const char *sql, size_t len, struct pool_args args, char **ret_sql,
                      size_t *ret_len, struct pool_error *err);

#endif
