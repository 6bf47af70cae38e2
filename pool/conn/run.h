/*
 * The execution of a statement: query.c finds, binds and sends, reply.c reads what comes
 * back, ride.c does both for several at once. Whoever owns the connection; no locks.
 */
#ifndef POOL_CONN_RUN_H
#define POOL_CONN_RUN_H

#include "conn/conn.h"
#include "conn/query.h"
#include "conn/stmt.h"
#include "conn/wait.h"
#include "sql/form.h"
#include "sql/sql.h"
#include "sql/token.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL__LEAST_REPLY 11 /* bytes of an OK packet with its header */

/* What one execution needs; lives on the stack of pool__query or pool__ride. */
struct pool__run {
    struct pool__conn *conn;
    const struct pool__form *form;
    const struct pool__sink *sink;
    const struct pool__sql_info *info; /* of the statement, from when it is known */
    struct pool__wait *wait;
    struct pool_result *result;
    struct pool_error *err;
    uint64_t started_ns;
    uint64_t ended_ns;        /* 0: not known */
    size_t reply_bytes;       /* so many at least */
    enum pool__quotes quotes; /* for which the text is written */
    unsigned results;         /* of a text, read to their end */
    bool looked;  /* the socket was seen to be open and silent before anything was sent */
    bool sent;    /* something of the statement may have gone to the server */
    bool stopped; /* the row callback said so */
};

/* query.c */
bool pool__has_just_answered(const struct pool__conn *conn, uint64_t now);
bool pool__run_look(struct pool__run *run);
bool pool__run_begin(struct pool__run *run); /* makes the result */
/* Of a statement that is prepared and bound: send it, and wait for the reply up to its first
 * set. */
bool pool__send_prepared(struct pool__run *run, struct pool__stmt *stmt);
bool pool__receive_prepared(struct pool__run *run, struct pool__stmt *stmt);
bool pool__receive_text(struct pool__run *run);
/* The text with its values written into it, to be freed; NULL if there are none, or on failure. */
char *pool__run_format(struct pool__run *run, const struct pool__sql_info *info, size_t *ret_len);
/* So many statements of that kind took so long together, the way to the server included. */
void pool__note_time(const struct pool__conn *conn, struct pool__stmt *stmt, uint64_t ns,
                     unsigned count);
/* After a failure: the server does not know the statement any more, and has not run it. */
bool pool__is_forgotten(const struct pool__run *run, const struct pool__stmt *stmt);

/* quotes.c: whether the session's way of reading quotes is known as far as the statement, with
 * its values written into it, depends on that. */
bool pool__knows_quotes(const struct pool__conn *conn, const struct pool__form *form,
                        const struct pool__sql_info *info);
/* Sets run->quotes: to unknown, unless they matter and are known. */
void pool__run_use_quotes(struct pool__run *run, const struct pool__sql_info *info);
/* The same, but first asks the server if need be, which must have answered everything before.
 * False if that fails. */
bool pool__run_find_quotes(struct pool__run *run, const struct pool__sql_info *info);

/* Read the reply to its end, into run->result or through the sink. False with the error
 * filled in; the connection is marked broken if the reply was not read to its end. */
bool pool__read_prepared(struct pool__run *run, struct pool__stmt *stmt);
bool pool__read_text(struct pool__run *run);

#endif
