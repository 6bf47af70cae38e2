/*
 * The execution of one statement: query.c finds, binds and sends, reply.c reads what
 * comes back. Whoever owns the connection; no locks.
 */
#ifndef POOL_RUN_H
#define POOL_RUN_H

#include "query.h"

/* What one execution needs; lives on the stack of pool__query. */
struct pool__run {
    struct pool__conn *conn;
    const struct pool__form *form;
    const struct pool__sink *sink;
    struct pool__wait *wait;
    struct pool_result *result;
    struct pool_error *err;
    bool looked;  /* the socket was seen to be open and silent before anything was sent */
    bool sent;    /* something of the statement may have gone to the server */
    bool stopped; /* the row callback said so */
};

/* Read the reply to its end, into run->result or through the sink. False with the error
 * filled in; the connection is marked broken if the reply was not read to its end. */
bool pool__read_prepared(struct pool__run *run, struct pool__stmt *stmt);
bool pool__read_text(struct pool__run *run, enum pool__sql_class class_);

#endif
