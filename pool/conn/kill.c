/*
 * Statements that end others: the sessions of lost connections, and what still runs in one. None
 * waits for what it ends, only for the server's answer.
 */
#include "conn/kill.h"

#include "conn/conn.h"
#include "conn/query.h"
#include "core/server_errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum pool__kill pool__kill_session(struct pool__conn *conn, unsigned long thread_id,
                                   uint64_t deadline_ns)
{
    char sql[48];
    struct pool_error err;
    snprintf(sql, sizeof sql, "KILL CONNECTION %lu", thread_id);
    if (pool__say(conn, sql, deadline_ns, &err))
        return POOL__KILL_SENT;
    if (err.server_errno == POOL__ER_NO_SUCH_THREAD)
        return POOL__KILL_GONE;
    /* Without an answer it may have been carried out all the same. */
    return err.not_executed ? POOL__KILL_FAILED : POOL__KILL_SENT;
}

/* Those that are gone already are no reason to stop. */
#define KILLS_BEGIN "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;"
#define KILL_SIZE 32

static char *make_kills(const unsigned long *thread_ids, unsigned count)
{
    size_t size = sizeof KILLS_BEGIN + (size_t)count * KILL_SIZE + sizeof "END";
    char *sql = malloc(size);
    if (!sql)
        return NULL;
    size_t len = (size_t)snprintf(sql, size, "%s", KILLS_BEGIN);
    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(sql + len, size - len, "KILL %lu;", thread_ids[i]);
    snprintf(sql + len, size - len, "END");
    return sql;
}

/* False if the server does not know such a block. */
static bool kill_in_a_block(struct pool__conn *conn, const unsigned long *thread_ids,
                            unsigned count, uint64_t deadline_ns, unsigned *ret_sent)
{
    struct pool_error err;
    char *sql = conn->mariadb ? make_kills(thread_ids, count) : NULL;
    if (!sql)
        return false;
    bool ok = pool__say(conn, sql, deadline_ns, &err);
    free(sql);
    *ret_sent = ok || !err.not_executed ? count : 0;
    return ok || err.server_errno != POOL_ER_PARSE_ERROR;
}

unsigned pool__kill_sessions(struct pool__conn *conn, const unsigned long *thread_ids,
                             unsigned count, uint64_t deadline_ns)
{
    unsigned sent = 0;
    if (kill_in_a_block(conn, thread_ids, count, deadline_ns, &sent))
        return sent;
    sent = 0;
    for (unsigned i = 0; i < count && !conn->broken; i++)
        sent += pool__kill_session(conn, thread_ids[i], deadline_ns) != POOL__KILL_FAILED;
    return sent;
}

bool pool__kill_statement(struct pool__conn *conn, unsigned long thread_id, uint64_t deadline_ns)
{
    char sql[48];
    struct pool_error err;
    snprintf(sql, sizeof sql, "KILL QUERY %lu", thread_id);
    return pool__say(conn, sql, deadline_ns, &err) || err.code == POOL_ERR_SERVER ||
           err.not_executed;
}

bool pool__kill_sees_thread(struct pool__conn *conn, unsigned long thread_id, uint64_t deadline_ns,
                            bool *ret_known)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %lu",
             thread_id);
    struct pool_result *rows = pool__query_text(conn, sql, strlen(sql), deadline_ns, NULL);
    bool seen = rows && pool_next(rows);
    *ret_known = rows != NULL;
    pool_result_free(rows);
    return seen;
}
