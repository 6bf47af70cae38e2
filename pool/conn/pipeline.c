/*
 * Pipelining. Every statement of one is a plain one, prepared on this connection (or, in
 * a pool that never prepares, run as text) and known to be quick; the server runs them one
 * after the other, each in a transaction of its own, and answers in the same order.
 *
 * What goes out together is smaller than a socket's buffer, so sending never waits for
 * replies to be read: no deadlock, however big the replies are. TCP is told to wait until
 * all of them are there (TCP_CORK), so that they travel, and wake the server, once.
 *
 * When the connection fails in the middle each statement has its own truth: answered;
 * sent, so nobody knows; or not sent. If the leader's deadline passes the connection is
 * given up, as it always is, and with it the replies to those behind: nobody knows of
 * those either.
 *
 * The leader's thread owns the connection and runs all of this; there are no locks.
 */
#include "conn/pipeline.h"

#include "base/error.h"
#include "base/sync.h"
#include "conn/execution.h"
#include "conn/low_water.h"
#include "conn/outcome.h"
#include "conn/prepared.h"
#include "conn/query.h"
#include "conn/reply.h"
#include "conn/text.h"

#include <mysql.h>
#include <errmsg.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define PATIENCE_NS (5 * POOL__NS_PER_MS) /* longer than a tick: no timer need be programmed */
#define HASTY_PIPELINES 100               /* without patience, after it was in vain */

/* A member with what its execution needs. */
struct entry {
    struct pool__pipeline_member *member;
    struct pool__execution exec;
    struct pool__stmt *stmt;
    bool text;  /* it goes, and comes back, by the text protocol */
    bool again; /* the server had forgotten the statement: to be run alone */
};

struct pipeline {
    struct pool__conn *conn;
    struct pool__wait wait;
    struct entry entries[POOL__PIPELINE_MOST];
    unsigned count;
    unsigned sent;
    unsigned received;
    int least;               /* bytes that have to be there before the socket counts as readable */
    uint64_t asked_until_ns; /* since the last reply was read; 0: it was not asked for so many */
    bool in_vain;            /* fewer came, and so far there was no need to sleep after that */
    bool lost;               /* no more replies can be read */
    struct pool_error err;   /* of the member whose turn it is */
    struct pool__pipeline_member *there[POOL__PIPELINE_MOST]; /* done, and not told yet */
    unsigned there_count;
    pool__pipeline_progress_fn *progress;
};

static void cork(const struct pool__conn *conn, int on)
{
    if (!conn->options->v.socket)
        setsockopt(mysql_get_socket(conn->mysql), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

static bool is_leader(const struct pipeline *pipeline, const struct entry *entry)
{
    return entry == pipeline->entries;
}

/* Whatever there is to say about the member has been said. */
static void finish(struct pipeline *pipeline, struct entry *entry)
{
    struct pool__pipeline_member *member = entry->member;
    unsigned at = is_leader(pipeline, entry) ? 0 : pipeline->there_count;
    entry->member = NULL;
    if (is_leader(pipeline, entry) && member->result)
        pool__ok(entry->exec.err);
    else if (!is_leader(pipeline, entry) && !member->result)
        pool__saved_error_set(member->saved, entry->exec.err);
    memmove(&pipeline->there[at + 1], &pipeline->there[at],
            (pipeline->there_count - at) * sizeof member);
    pipeline->there[at] = member;
    pipeline->there_count++;
}

/* Told as late as it costs nobody time: a thread that is woken takes the leader's processor,
 * and the replies of the others may be there already. Nobody is told before the leader, whose
 * call came first. */
static void tell_who_is_there(struct pipeline *pipeline)
{
    if (pipeline->entries[0].member)
        return;
    if (pipeline->there_count > 0)
        pipeline->progress(pipeline->there, pipeline->there_count, POOL__PIPELINE_DONE);
    pipeline->there_count = 0;
}

static size_t usual_bytes(const struct entry *entry)
{
    return pool__low_water_reply(entry->stmt, entry->exec.wait->tls);
}

/* How many bytes are worth waking up for: half of the last reply, which comes as a whole, behind
 * all others. So they may be a little bigger or smaller than usual. */
static size_t bytes_to_wait_for(const struct pipeline *pipeline)
{
    size_t bytes = usual_bytes(&pipeline->entries[pipeline->sent - 1]) / 2;
    for (unsigned i = pipeline->received; i + 1 < pipeline->sent; i++)
        bytes += usual_bytes(&pipeline->entries[i]);
    return bytes < POOL__PIPELINE_BYTES ? bytes : POOL__PIPELINE_BYTES;
}

/* To wake up for each reply costs more than the reply. So the leader sleeps until most of them
 * are there, for a while at most. If then it need not sleep again they were all there, and are
 * just smaller than usual; otherwise the server took its time. */
static uint64_t before_sleep(struct pool__wait *wait)
{
    struct pipeline *pipeline = POOL__ENTRY(wait, struct pipeline, wait);
    struct pool__conn *conn = pipeline->conn;
    tell_who_is_there(pipeline);
    pipeline->in_vain = pipeline->asked_until_ns && pool__now_ns() >= pipeline->asked_until_ns &&
                        pool__low_water_there(conn) > 0;
    bool patient = pipeline->received + 1 < pipeline->sent && pipeline->sent == pipeline->count &&
                   !pipeline->in_vain && !conn->hasty_pipelines && !conn->options->v.socket;
    pool__low_water_set(pipeline->conn, patient ? bytes_to_wait_for(pipeline) : 1,
                        &pipeline->least);
    if (!patient)
        return POOL__FOREVER;
    pipeline->asked_until_ns = pool__now_ns() + PATIENCE_NS + conn->trip_ns;
    return pipeline->asked_until_ns;
}

static void fail(struct pipeline *pipeline, struct entry *entry)
{
    pool_result_free(entry->exec.result);
    entry->member->result = NULL;
    finish(pipeline, entry);
}

static void add_entry(struct pipeline *pipeline, struct entry *entry,
                      struct pool__pipeline_member *member, struct pool_error *err)
{
    *entry = (struct entry){.member = member,
                            .exec = {.conn = pipeline->conn,
                                     .statement = member->statement,
                                     .wait = &pipeline->wait,
                                     .err = err}};
    member->result = NULL;
}

static MYSQL_STMT *native_of(const struct entry *entry)
{
    return entry->text ? NULL : entry->stmt->native;
}

/* False if it could not be sent. */
static bool send_one(struct pipeline *pipeline, struct entry *entry)
{
    const struct pool__statement *statement = entry->exec.statement;
    struct pool__stmt_cache *cache = &pipeline->conn->cache;
    entry->stmt = pool__stmt_find(cache, statement->sql, statement->len, statement->hash,
                                  pool__stmt_values_of(statement));
    entry->exec.info = &entry->stmt->info;
    entry->text = statement->as_text;
    cache->hits += !entry->text;
    if (!pool__execution_begin(&entry->exec)) {
        entry->exec.err->not_executed = true;
        return false;
    }
    if (entry->text ? pool__text_send(&entry->exec)
                    : pool__prepared_bind_and_send(&entry->exec, entry->stmt))
        return true;
    bool known = entry->exec.err->code != POOL_OK;
    if (!known && (!pipeline->wait.timed_out ||
                   is_leader(pipeline, entry))) /* the deadline is the leader's */
        pool__outcome_fail(pipeline->conn, &pipeline->wait, native_of(entry), false,
                           entry->exec.err);
    return false;
}

static void send_all(struct pipeline *pipeline)
{
    cork(pipeline->conn, 1);
    while (pipeline->sent < pipeline->count &&
           send_one(pipeline, &pipeline->entries[pipeline->sent]))
        pipeline->sent++;
    if (pipeline->conn->mysql->net.pvio)
        cork(pipeline->conn, 0);
    pipeline->lost = pipeline->conn->broken;
    for (unsigned i = 1; i < pipeline->sent; i++)
        pipeline->progress(&pipeline->entries[i].member, 1, POOL__PIPELINE_SENT);
}

/* The reply is lost with the connection: through no fault of this statement's. */
static void fail_with_others(struct pipeline *pipeline, struct entry *entry)
{
    const char *text = "the connection was lost with a statement before this one on it";
    if (pipeline->wait.timed_out)
        text = "the connection was given up, for a statement before this one on it passed its "
               "deadline";
    if (pipeline->wait.cut)
        pool__fail_fatal(entry->exec.err, POOL_ERR_CLOSED,
                         "the pool was closed while the statement ran");
    else
        pool__fail_fatal(entry->exec.err, POOL_ERR_LOST, "%s", text);
    fail(pipeline, entry);
}

/* An error that the server has sent ends its own reply: whatever it means for the connection,
 * those of the others are there and in order. */
static bool is_in_step(const struct pipeline *pipeline, const struct pool_error *err)
{
    return !pipeline->conn->broken || (err->server_errno > 0 && err->server_errno < CR_MIN_ERROR);
}

static void fail_reply(struct pipeline *pipeline, struct entry *entry)
{
    pipeline->lost = !is_in_step(pipeline, entry->exec.err);
    if (pipeline->wait.timed_out && !is_leader(pipeline, entry)) {
        fail_with_others(pipeline, entry);
        return;
    }
    /* What it says of not having been sent is not true: that was before. */
    if (entry->exec.err->code == POOL_ERR_LOST && entry->exec.err->server_errno >= CR_MIN_ERROR)
        entry->exec.err->not_executed = false;
    fail(pipeline, entry);
}

/* The reply up to its first set, and the rest of it. */
static bool receive_first(struct entry *entry)
{
    return entry->text ? pool__reply_receive_text(&entry->exec)
                       : pool__prepared_receive(&entry->exec, entry->stmt);
}

static bool read_rest(struct entry *entry)
{
    return entry->text ? pool__reply_read_text(&entry->exec)
                       : pool__reply_read_prepared(&entry->exec, entry->stmt);
}

static void receive_one(struct pipeline *pipeline, struct entry *entry)
{
    struct pool__conn *conn = pipeline->conn;
    struct pool__execution *exec = &entry->exec;
    pool__ok(exec->err);
    if (pipeline->lost) {
        fail_with_others(pipeline, entry);
        return;
    }
    bool ok = receive_first(entry);
    if (!ok && !entry->text && pool__prepared_is_forgotten(exec, entry->stmt)) {
        entry->again = true;
        return;
    }
    if (!ok)
        pool__outcome_fail(conn, &pipeline->wait, native_of(entry), true, exec->err);
    if (!ok || !read_rest(entry)) {
        fail_reply(pipeline, entry);
        return;
    }
    pool__stmt_note_reply(entry->stmt, exec->reply_bytes);
    if (conn->dirty || conn->in_transaction)
        entry->stmt->leaves_traces = true;
    entry->member->result = exec->result;
    finish(pipeline, entry);
}

static void fail_unsent(struct pipeline *pipeline)
{
    for (unsigned i = pipeline->sent; i < pipeline->count; i++) {
        struct entry *entry = &pipeline->entries[i];
        if (entry->exec.err->code == POOL_OK) {
            pool__fail_unsent(entry->exec.err, POOL_ERR_LOST,
                              "the connection was given up before the statement was sent");
        }
        fail(pipeline, entry);
        pool__ok(&pipeline->err); /* the next one was not even tried */
    }
}

static bool is_first_of_its_kind(const struct pipeline *pipeline, unsigned index)
{
    for (unsigned i = 0; i < index; i++)
        if (pipeline->entries[i].stmt == pipeline->entries[index].stmt)
            return false;
    return true;
}

/* How long a statement took in one pipeline was seen once, however often it went. */
static void note_times(struct pipeline *pipeline, uint64_t started_ns)
{
    uint64_t now = pool__now_ns();
    pipeline->conn->heard_ns = pipeline->conn->broken ? 0 : now;
    for (unsigned i = 0; i < pipeline->sent; i++)
        if (is_first_of_its_kind(pipeline, i))
            pool__execution_note_time(pipeline->conn, pipeline->entries[i].stmt, now - started_ns,
                                      pipeline->sent);
}

/* Statements whose columns have changed, or that the server has forgotten. It sends, so it
 * needs the wait: its deadline, and its care for SIGPIPE. */
static void close_outdated(struct pipeline *pipeline)
{
    for (unsigned i = 0; i < pipeline->sent; i++) {
        struct pool__stmt *stmt = pipeline->entries[i].stmt;
        if ((stmt->outdated || pipeline->entries[i].again) && !pipeline->conn->broken)
            pool__stmt_close_native(&pipeline->conn->cache, stmt);
        stmt->outdated = false;
    }
}

/* A member that is held cannot be given up: so its own deadline counts, too. */
static void run_again(struct pipeline *pipeline, struct entry *entry, uint64_t leader_ns)
{
    struct pool__pipeline_member *member = entry->member;
    uint64_t own_ns = member->deadline_ns;
    pool_result_free(entry->exec.result);
    entry->exec.result = NULL;
    if (!is_leader(pipeline, entry) && !pipeline->progress(&entry->member, 1, POOL__PIPELINE_HOLD))
        return;
    member->result = pool__query(pipeline->conn, member->statement, NULL,
                                 pool__earlier(own_ns, leader_ns), entry->exec.err);
    finish(pipeline, entry);
    tell_who_is_there(pipeline);
}

/* Field by field: the entries are many, and each is made when it is needed. */
static void begin(struct pipeline *pipeline, struct pool__conn *conn,
                  struct pool__pipeline_member *members, unsigned count, struct pool_error *err)
{
    pipeline->conn = conn;
    pipeline->count = count;
    pipeline->sent = 0;
    pipeline->received = 0;
    pipeline->least = 1;
    pipeline->asked_until_ns = 0;
    pipeline->in_vain = false;
    pipeline->lost = false;
    pipeline->there_count = 0;
    pool__ok(err);
    pool__ok(&pipeline->err);
    for (unsigned i = 0; i < count; i++)
        add_entry(pipeline, &pipeline->entries[i], &members[i], i ? &pipeline->err : err);
}

static void receive_all(struct pipeline *pipeline)
{
    struct pool__conn *conn = pipeline->conn;
    conn->hasty_pipelines -= conn->hasty_pipelines > 0;
    for (; pipeline->received < pipeline->sent; pipeline->received++) {
        receive_one(pipeline, &pipeline->entries[pipeline->received]);
        pipeline->asked_until_ns = 0;
    }
    if (pipeline->in_vain)
        conn->hasty_pipelines = HASTY_PIPELINES;
}

void pool__pipeline_run(struct pool__conn *conn, struct pool__pipeline_member *members,
                        unsigned count, uint64_t deadline_ns, struct pool_error *err,
                        pool__pipeline_progress_fn *progress)
{
    struct pipeline pipeline;
    pipeline.progress = progress;
    uint64_t started_ns = pool__now_ns();
    begin(&pipeline, conn, members, count, err);
    pool__conn_enter(conn, &pipeline.wait, deadline_ns);
    pipeline.wait.before_sleep = before_sleep;
    if (pool__conn_has_just_answered(conn, started_ns) ||
        pool__execution_look(&pipeline.entries[0].exec))
        send_all(&pipeline);
    fail_unsent(&pipeline);
    receive_all(&pipeline);
    tell_who_is_there(&pipeline);
    pool__low_water_set(conn, 1, &pipeline.least);
    close_outdated(&pipeline);
    pool__conn_leave(conn, &pipeline.wait);
    if (pipeline.sent)
        note_times(&pipeline, started_ns);
    for (unsigned i = 0; i < pipeline.sent; i++)
        if (pipeline.entries[i].again)
            run_again(&pipeline, &pipeline.entries[i], deadline_ns);
}
