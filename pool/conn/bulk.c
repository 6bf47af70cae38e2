/*
 * COM_STMT_BULK_EXECUTE, in packets of about a mebibyte. While the server works on one the
 * next is written.
 *
 * The server takes INSERT, REPLACE, UPDATE and DELETE so, also with RETURNING: then the
 * rows of all executions come as one result set. What it refuses it refuses with 1295,
 * before it executes anything, and that is remembered with the statement.
 *
 * Whoever owns the connection runs this; there are no locks.
 */
#include "conn/bulk.h"

#include "base/error.h"
#include "conn/execution.h"
#include "conn/outcome.h"
#include "conn/prepared.h"
#include "conn/reply.h"
#include "core/server_errors.h"
#include "sql/hash.h"

#include <mysql.h>

#define PACKET_BYTES ((size_t)1 << 20)

/* ---- the statement ---- */

static bool server_takes_bulk(const struct pool__conn *conn)
{
    unsigned long extended = 0;
    mariadb_get_infov(conn->mysql, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &extended);
    return conn->mariadb && (extended & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32));
}

/* Adding one may close another, which sends: so it needs the wait. */
static struct pool__stmt *find(struct pool__conn *conn, const struct pool__statement *statement,
                               uint64_t deadline_ns, struct pool_error *err)
{
    struct pool__stmt_cache *cache = &conn->cache;
    struct pool__wait wait;
    const char *sql = statement->text;
    size_t len = statement->text_len;
    uint64_t hash = pool__hash_text(sql, len);
    struct pool__stmt_values many = {NULL, 0};
    struct pool__stmt *stmt = pool__stmt_find(cache, sql, len, hash, many);
    if (stmt) {
        cache->hits++;
        return stmt;
    }
    pool__conn_enter(conn, &wait, deadline_ns);
    stmt = pool__stmt_add(cache, sql, len, hash, many, err);
    pool__conn_leave(conn, &wait);
    return stmt;
}

bool pool__bulk_init(struct pool__bulk *bulk, struct pool__conn *conn,
                     const struct pool__table *table, const struct pool__statement *statement,
                     uint64_t deadline_ns, struct pool_error *err)
{
    *bulk = (struct pool__bulk){.conn = conn, .table = table};
    if (conn->options->v.no_prepare || !server_takes_bulk(conn))
        return true;
    struct pool__stmt *stmt = find(conn, statement, deadline_ns, err);
    if (!stmt)
        return false;
    if (stmt->text_only || stmt->not_in_bulk || !stmt->alone)
        return true;
    bulk->stmt = stmt;
    return pool__bulk_packet_init(&bulk->pack, table->columns) ||
           pool__fail(err, POOL_ERR_NOMEM, "out of memory for a batch");
}

void pool__bulk_fini(struct pool__bulk *bulk)
{
    pool__bulk_packet_fini(&bulk->pack);
}

/* Apart from the execution: it is one round trip per batch, and the packet is big. */
static bool prepare_native(struct pool__bulk *bulk)
{
    struct pool__stmt *stmt = bulk->stmt;
    pool__outcome_note_send(bulk->conn, &stmt->info);
    bool ok = mysql_stmt_prepare(stmt->native, stmt->sql, stmt->len) == 0;
    pool__prepared_note(&bulk->conn->cache, stmt, ok);
    return ok;
}

/* Then pool__query finds out the rest. */
static bool is_refused(const struct pool__wait *wait, const struct pool__stmt *stmt)
{
    unsigned code = mysql_stmt_errno(stmt->native);
    return !pool__wait_was_ended(wait) && (code == POOL__ER_UNSUPPORTED_PREPARED ||
                                           code == POOL_ER_MAX_PREPARED_STMT_COUNT_REACHED);
}

static bool prepare(struct pool__bulk *bulk, const struct pool__wait *wait, struct pool_error *err)
{
    struct pool__conn *conn = bulk->conn;
    struct pool__stmt *stmt = bulk->stmt;
    if (!stmt->native && !pool__stmt_make_native(&conn->cache, stmt, conn->mysql, err)) {
        bulk->stmt = NULL; /* no room for it, unless memory is out */
        return err->code == POOL_OK;
    }
    if (prepare_native(bulk))
        return true;
    bool refused = is_refused(wait, stmt);
    if (refused)
        bulk->stmt = NULL;
    else
        pool__outcome_fail(conn, wait, stmt->native, wait->reading, err);
    if (!conn->broken)
        pool__stmt_close_native(&conn->cache, stmt);
    return refused;
}

bool pool__bulk_prepare(struct pool__bulk *bulk, uint64_t deadline_ns, struct pool_error *err)
{
    const struct pool__stmt *stmt = bulk->stmt;
    struct pool__wait wait;
    if (!stmt->native || stmt->native->state < MYSQL_STMT_PREPARED) {
        pool__conn_enter(bulk->conn, &wait, deadline_ns);
        bool ok = prepare(bulk, &wait, err);
        pool__conn_leave(bulk->conn, &wait);
        if (!ok || !bulk->stmt)
            return ok;
    }
    unsigned long count = mysql_stmt_param_count(stmt->native);
    return count == bulk->table->columns ||
           pool__fail(err, POOL_ERR_INVALID,
                      "the server counts %lu placeholders in the statement, not %zu", count,
                      bulk->table->columns);
}

/* ---- a packet ---- */

static bool pack(struct pool__bulk *bulk, size_t from)
{
    size_t most =
        pool__conn_packet_limit(bulk->conn) - 2; /* the command byte, and less than that */
    bulk->packed_at = from;
    return pool__bulk_packet_rows(&bulk->pack, bulk->table, from,
                                  most < PACKET_BYTES ? most : PACKET_BYTES);
}

bool pool__bulk_pack(struct pool__bulk *bulk, size_t from, size_t *ret_count,
                     struct pool_error *err)
{
    bool there = bulk->pack.rows > 0 && bulk->packed_at == from;
    if (!there && !pack(bulk, from))
        return pool__fail(err, POOL_ERR_NOMEM, "out of memory for a packet of a batch");
    *ret_count = bulk->pack.rows;
    return true;
}

/* What was not sent to its end the server cannot execute. */
static bool send_packet(struct pool__bulk *bulk, struct pool__execution *exec)
{
    MYSQL *mysql = bulk->conn->mysql;
    struct pool__stmt *stmt = bulk->stmt;
    struct pool__bulk_packet *packet = &bulk->pack;
    pool__outcome_note_send(bulk->conn, &stmt->info);
    pool__bulk_packet_address(packet, (uint32_t)stmt->native->stmt_id);
    if (mysql->methods->db_command(mysql, COM_STMT_BULK_EXECUTE, (const char *)packet->data,
                                   packet->len, 1, stmt->native) == 0)
        return true;
    pool__outcome_fail(bulk->conn, exec->wait, NULL, exec->wait->reading, exec->err);
    bulk->sent = !exec->err->not_executed;
    return false;
}

static enum pool__bulk_end judge(struct pool__bulk *bulk, struct pool__execution *exec)
{
    struct pool__stmt *stmt = bulk->stmt;
    bool over = pool__wait_was_ended(exec->wait);
    if (!over && mysql_stmt_errno(stmt->native) == POOL__ER_UNSUPPORTED_PREPARED) {
        stmt->not_in_bulk = true;
        return POOL__BULK_REFUSED;
    }
    if (pool__prepared_is_forgotten(exec, stmt))
        return POOL__BULK_FORGOTTEN;
    pool__outcome_fail(bulk->conn, exec->wait, stmt->native, true, exec->err);
    return POOL__BULK_FAILED;
}

/* If memory for the next packet is out, that is found out when its turn comes. */
static enum pool__bulk_end exchange(struct pool__bulk *bulk, struct pool__execution *exec)
{
    struct pool__stmt *stmt = bulk->stmt;
    size_t next = bulk->packed_at + bulk->pack.rows;
    if (!send_packet(bulk, exec))
        return POOL__BULK_FAILED;
    if (next < bulk->table->rows)
        pack(bulk, next);
    if (!pool__prepared_receive(exec, stmt))
        return judge(bulk, exec);
    if (!pool__reply_read_prepared(exec, stmt))
        return POOL__BULK_FAILED;
    if (bulk->conn->dirty)
        stmt->leaves_traces = true;
    return POOL__BULK_DONE;
}

/* The packet may be that of the next rows already. */
static void after_refusal(struct pool__bulk *bulk, enum pool__bulk_end end)
{
    if (end == POOL__BULK_REFUSED || end == POOL__BULK_FORGOTTEN) {
        bulk->pack.rows = 0;
        bulk->sent = false;
    }
    if ((bulk->stmt->outdated || end == POOL__BULK_FORGOTTEN) && !bulk->conn->broken)
        pool__stmt_close_native(&bulk->conn->cache, bulk->stmt);
    bulk->stmt->outdated = false;
    if (end == POOL__BULK_REFUSED)
        bulk->stmt = NULL;
}

enum pool__bulk_end pool__bulk_run(struct pool__bulk *bulk, uint64_t deadline_ns,
                                   struct pool_result **ret_result, struct pool_error *err)
{
    struct pool__wait wait;
    struct pool__execution exec = {
        .conn = bulk->conn, .info = &bulk->stmt->info, .wait = &wait, .err = err};
    bulk->sent = false;
    if (!pool__execution_begin(&exec))
        return POOL__BULK_FAILED;
    bulk->sent = true;
    pool__conn_enter(bulk->conn, &wait, deadline_ns);
    enum pool__bulk_end end = exchange(bulk, &exec);
    after_refusal(bulk, end);
    pool__conn_leave(bulk->conn, &wait);
    if (end == POOL__BULK_DONE)
        *ret_result = exec.result;
    else
        pool_result_free(exec.result);
    return end;
}
