/*
 * What a failed call of libmariadb means. See verdict.c. threads: any.
 */
#ifndef POOL_CONN_VERDICT_H
#define POOL_CONN_VERDICT_H

#include "core/classify.h"
#include "mypool.h"
#include "sql/inspect.h"

#include <stdbool.h>

/* What is known of the failure. */
struct pool__failure {
    bool timed_out; /* the pool has ended the call: its deadline has passed, */
    bool cut;       /* or everything has to stop, */
    bool unheard;   /* or the network is silent */
    bool sent;      /* what was to be sent may have reached the server before that */
    unsigned number;
    const char *text; /* libmariadb's, or the server's */
    bool over_limit;  /* the packet was too big for libmariadb, which calls that a loss */
    bool mariadb;     /* the flavour of the server; else MySQL */
    bool in_transaction;
    enum pool__sql_class class_; /* of the statement */
};

struct pool__verdict {
    enum pool_code code;
    const char *text; /* a constant, or the failure's */
    bool is_answer;   /* the number says it; else the pool has ended the call */
    unsigned number;
    struct pool__error_facts facts; /* of the number */
    bool breaks;                    /* the connection has to be closed */
    bool may_run;                   /* the statement may still run on the server */
    bool dirties;                   /* the session has to be reset */
    bool not_executed;
};

/* Of a statement or a command. */
struct pool__verdict pool__verdict_of_statement(const struct pool__failure *failure);

/* Of a connect, which breaks in any case. Nothing was executed. */
struct pool__verdict pool__verdict_of_connect(const struct pool__failure *failure);

#endif
