/*
 * Prepared statements that mean something else by now. The server runs one in the database that was
 * current when it was prepared, and reads it as the session read texts then.
 */
#include "conn/stale.h"

#include "sql/hash.h"

#include <mysql.h>
#include <string.h>

/* The server runs a prepared statement in the database that was current when it was prepared,
 * and as it was read then: 'a' || 'b' is what the SQL mode of that time made of it. */
static void note_database(struct pool__conn *conn)
{
    const char *now = conn->mysql->db ? conn->mysql->db : "";
    uint64_t hash = pool__hash_text(now, strlen(now));
    if (hash != conn->database_hash)
        pool__stmt_cache_close_natives(&conn->cache);
    conn->database_hash = hash;
}

void pool__stale_note_statement(struct pool__conn *conn)
{
    if (conn->class_ != POOL__SQL_OTHER || conn->broken)
        return;
    if (conn->rereads)
        pool__stmt_cache_close_natives(&conn->cache);
    note_database(conn);
}

void pool__stale_note_native(struct pool__conn *conn)
{
    if (!conn->native_given)
        return;
    if (pool__stmt_cache_is_void(&conn->cache))
        pool__stmt_cache_close_natives(&conn->cache);
    note_database(conn);
}
