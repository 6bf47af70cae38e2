/*
 * What one execution of a statement needs, from its look at the socket to its reply. Whoever owns
 * the connection; no locks.
 */
#ifndef POOL_CONN_EXECUTION_H
#define POOL_CONN_EXECUTION_H

#include "conn/conn.h"
#include "conn/query.h"
#include "conn/stmt.h"
#include "conn/wait.h"
#include "sql/inspect.h"
#include "sql/lexer.h"
#include "sql/statement.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one execution needs; lives on the stack of whoever executes. */
struct pool__execution {
    struct pool__conn *conn;
    const struct pool__statement *statement;
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

/* Looks at the socket before anything is sent. False, with the error, if the server has closed the
 * connection or is out of step. */
bool pool__execution_look(struct pool__execution *exec);
bool pool__execution_begin(struct pool__execution *exec); /* makes the result */

/* Whether so many bytes may be sent at once; and whether there may be several statements. */
bool pool__execution_check_size(struct pool__execution *exec, size_t len);
bool pool__execution_check_single(struct pool__execution *exec, const struct pool__sql_info *info,
                                  bool text);

/* `count` executions of the statement took `ns` together, the way to the server included. */
void pool__execution_note_time(const struct pool__conn *conn, struct pool__stmt *stmt, uint64_t ns,
                               unsigned count);
/* The execution has succeeded. `typical`: the time that it took says something about the
 * statement. */
void pool__execution_note(struct pool__execution *exec, struct pool__stmt *stmt, bool typical);

#endif
