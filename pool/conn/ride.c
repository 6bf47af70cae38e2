/*
 * Pipelining. Every statement of a ride is a plain one, prepared on this connection (or, in
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
#include "conn/ride.h"

#include "base/error.h"
#include "base/sync.h"
#include "conn/execution.h"
#include "conn/outcome.h"
#include "conn/prepared.h"
#include "conn/query.h"
#include "conn/quotes.h"
#include "conn/reply.h"
#include "conn/text.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define QUICK_NS POOL__NS_PER_MS          /* on average */
#define PATIENCE_NS (5 * POOL__NS_PER_MS) /* longer than a tick: no timer need be programmed */
#define LEAST_RECORD_BYTES 22             /* of TLS 1.3: header, type and tag; 1.2 adds more */
#define HASTY_RIDES 100                   /* without patience, after it was in vain */

bool pool__may_pipeline(const struct pool__conn *conn)
{
    unsigned status = conn->mysql->server_status;
    return conn->pipelines && !conn->broken && !conn->dirty && !conn->in_transaction &&
           (status & SERVER_STATUS_AUTOCOMMIT) && !(status & SERVER_MORE_RESULTS_EXIST);
}

static bool is_quick(const struct pool__stmt *stmt)
{
    return stmt->mean_ns && stmt->mean_ns < QUICK_NS;
}

static bool is_prepared(const struct pool__stmt *stmt, const struct pool__statement *statement)
{
    return stmt->native && stmt->native->state >= MYSQL_STMT_PREPARED &&
           stmt->info.placeholders == statement->count &&
           mysql_stmt_param_count(stmt->native) == statement->count;
}

const struct pool__stmt *pool__may_ride(const struct pool__conn *conn,
                                        const struct pool__statement *statement)
{
    const struct pool__stmt *stmt =
        pool__stmt_peek(&conn->cache, statement->sql, statement->len, statement->hash,
                        pool__stmt_values_of(statement));
    bool may = stmt && stmt->info.class_ == POOL__SQL_PLAIN && !stmt->leaves_traces &&
               !stmt->info.multiple && is_quick(stmt) && statement->size < conn->max_packet &&
               (statement->as_text ? stmt->info.placeholders == statement->args.count &&
                                         pool__quotes_known(conn, statement, &stmt->info)
                                   : is_prepared(stmt, statement));
    return may ? stmt : NULL;
}

/* A passenger with what its execution needs. */
struct seat {
    struct pool__passenger *passenger;
    struct pool__execution exec;
    struct pool__stmt *stmt;
    bool text;  /* it goes, and comes back, by the text protocol */
    bool again; /* the server had forgotten the statement: to be run alone */
};

struct ride {
    struct pool__conn *conn;
    struct pool__wait wait;
    struct seat seats[POOL__RIDE_MOST];
    unsigned count;
    unsigned sent;
    unsigned received;
    int least;               /* bytes that have to be there before the socket counts as readable */
    uint64_t asked_until_ns; /* since the last reply was read; 0: it was not asked for so many */
    bool in_vain;            /* fewer came, and so far there was no need to sleep after that */
    bool lost;               /* no more replies can be read */
    struct pool_error err;   /* of the rider whose turn it is */
    struct pool__passenger *there[POOL__RIDE_MOST]; /* done, and not told yet */
    unsigned there_count;
    pool__progress_fn *told;
};

static void cork(const struct pool__conn *conn, int on)
{
    if (!conn->options->v.socket)
        setsockopt(mysql_get_socket(conn->mysql), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

static bool is_leader(const struct ride *ride, const struct seat *seat)
{
    return seat == ride->seats;
}

/* Whatever there is to say about the passenger has been said. */
static void finish(struct ride *ride, struct seat *seat)
{
    struct pool__passenger *passenger = seat->passenger;
    unsigned at = is_leader(ride, seat) ? 0 : ride->there_count;
    seat->passenger = NULL;
    if (is_leader(ride, seat) && passenger->result)
        pool__ok(seat->exec.err);
    else if (!is_leader(ride, seat) && !passenger->result)
        pool__saved_error_set(passenger->saved, seat->exec.err);
    memmove(&ride->there[at + 1], &ride->there[at], (ride->there_count - at) * sizeof passenger);
    ride->there[at] = passenger;
    ride->there_count++;
}

/* Told as late as it costs nobody time: a thread that is woken takes the leader's processor,
 * and the replies of the others may be there already. Nobody is told before the leader, whose
 * call came first. */
static void tell_who_is_there(struct ride *ride)
{
    if (ride->seats[0].passenger)
        return;
    if (ride->there_count > 0)
        ride->told(ride->there, ride->there_count, POOL__RODE_DONE);
    ride->there_count = 0;
}

/* On the socket: with TLS each reply is a record of its own. */
static size_t usual_bytes(const struct seat *seat)
{
    size_t bytes = seat->stmt->reply_bytes ? seat->stmt->reply_bytes : POOL__LEAST_REPLY;
    return bytes + (seat->exec.wait->tls ? LEAST_RECORD_BYTES : 0);
}

/* How many bytes are worth waking up for: half of the last reply, which comes as a whole, behind
 * all others. So they may be a little bigger or smaller than usual. */
static size_t bytes_to_wait_for(const struct ride *ride)
{
    size_t bytes = usual_bytes(&ride->seats[ride->sent - 1]) / 2;
    for (unsigned i = ride->received; i + 1 < ride->sent; i++)
        bytes += usual_bytes(&ride->seats[i]);
    return bytes < POOL__RIDE_BYTES ? bytes : POOL__RIDE_BYTES;
}

static void ask_for(struct ride *ride, size_t bytes)
{
    int least = (int)bytes;
    if (ride->least == least || !ride->conn->mysql->net.pvio)
        return;
    setsockopt(mysql_get_socket(ride->conn->mysql), SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
    ride->least = least;
}

static int bytes_there(const struct pool__conn *conn)
{
    int bytes = 0;
    return ioctl(mysql_get_socket(conn->mysql), FIONREAD, &bytes) == 0 ? bytes : 0;
}

/* To wake up for each reply costs more than the reply. So the leader sleeps until most of them
 * are there, for a while at most. If then it need not sleep again they were all there, and are
 * just smaller than usual; otherwise the server took its time. */
static uint64_t before_sleep(struct pool__wait *wait)
{
    struct ride *ride = POOL__ENTRY(wait, struct ride, wait);
    struct pool__conn *conn = ride->conn;
    tell_who_is_there(ride);
    ride->in_vain =
        ride->asked_until_ns && pool__now_ns() >= ride->asked_until_ns && bytes_there(conn) > 0;
    bool patient = ride->received + 1 < ride->sent && ride->sent == ride->count && !ride->in_vain &&
                   !conn->hasty_rides && !conn->options->v.socket;
    ask_for(ride, patient ? bytes_to_wait_for(ride) : 1);
    if (!patient)
        return POOL__FOREVER;
    ride->asked_until_ns = pool__now_ns() + PATIENCE_NS + conn->trip_ns;
    return ride->asked_until_ns;
}

static void fail(struct ride *ride, struct seat *seat)
{
    pool_result_free(seat->exec.result);
    seat->passenger->result = NULL;
    finish(ride, seat);
}

static void take_seat(struct ride *ride, struct seat *seat, struct pool__passenger *passenger,
                      struct pool_error *err)
{
    *seat = (struct seat){.passenger = passenger,
                          .exec = {.conn = ride->conn,
                                   .statement = passenger->statement,
                                   .wait = &ride->wait,
                                   .err = err}};
    passenger->result = NULL;
}

static bool send_prepared(struct seat *seat)
{
    const struct pool__statement *statement = seat->exec.statement;
    struct pool__stmt *stmt = seat->stmt;
    if (pool__bind_values(stmt->binds, stmt->store, statement->values, statement->count,
                          seat->exec.err))
        return pool__prepared_send(&seat->exec, stmt);
    seat->exec.err->not_executed = true;
    return false;
}

static bool send_text(struct ride *ride, struct seat *seat)
{
    struct pool__execution *exec = &seat->exec;
    size_t len;
    pool__quotes_use(exec, &seat->stmt->info);
    char *formatted = pool__text_format(exec, &seat->stmt->info, &len);
    bool ok = exec->err->code == POOL_OK;
    if (ok) {
        exec->sent = true;
        pool__outcome_note_send(ride->conn, &seat->stmt->info);
        ok = mysql_send_query(ride->conn->mysql, formatted ? formatted : exec->statement->text,
                              len) == 0;
    } else {
        exec->err->not_executed = true;
    }
    free(formatted);
    return ok;
}

static MYSQL_STMT *native_of(const struct seat *seat)
{
    return seat->text ? NULL : seat->stmt->native;
}

/* False if it could not be sent. */
static bool send_one(struct ride *ride, struct seat *seat)
{
    const struct pool__statement *statement = seat->exec.statement;
    struct pool__stmt_cache *cache = &ride->conn->cache;
    seat->stmt = pool__stmt_find(cache, statement->sql, statement->len, statement->hash,
                                 pool__stmt_values_of(statement));
    seat->exec.info = &seat->stmt->info;
    seat->text = statement->as_text;
    cache->hits += !seat->text;
    if (!pool__execution_begin(&seat->exec)) {
        seat->exec.err->not_executed = true;
        return false;
    }
    if (seat->text ? send_text(ride, seat) : send_prepared(seat))
        return true;
    bool told = seat->exec.err->code != POOL_OK;
    if (!told &&
        (!ride->wait.timed_out || is_leader(ride, seat))) /* the deadline is the leader's */
        pool__outcome_fail(ride->conn, &ride->wait, native_of(seat), false, seat->exec.err);
    return false;
}

static void send_all(struct ride *ride)
{
    cork(ride->conn, 1);
    while (ride->sent < ride->count && send_one(ride, &ride->seats[ride->sent]))
        ride->sent++;
    if (ride->conn->mysql->net.pvio)
        cork(ride->conn, 0);
    ride->lost = ride->conn->broken;
    for (unsigned i = 1; i < ride->sent; i++)
        ride->told(&ride->seats[i].passenger, 1, POOL__RODE_SENT);
}

/* The reply is lost with the connection: through no fault of this statement's. */
static void fail_by_company(struct ride *ride, struct seat *seat)
{
    const char *text = "the connection was lost with a statement before this one on it";
    if (ride->wait.timed_out)
        text = "the connection was given up, for a statement before this one on it passed its "
               "deadline";
    if (ride->wait.cut)
        pool__fail(seat->exec.err, POOL_ERR_CLOSED, "the pool was closed while the statement ran");
    else
        pool__fail(seat->exec.err, POOL_ERR_LOST, "%s", text);
    seat->exec.err->fatal = true;
    fail(ride, seat);
}

/* An error that the server has sent ends its own reply: whatever it means for the connection,
 * those of the others are there and in order. */
static bool is_in_step(const struct ride *ride, const struct pool_error *err)
{
    return !ride->conn->broken || (err->server_errno > 0 && err->server_errno < 2000);
}

static void fail_reply(struct ride *ride, struct seat *seat)
{
    ride->lost = !is_in_step(ride, seat->exec.err);
    if (ride->wait.timed_out && !is_leader(ride, seat)) {
        fail_by_company(ride, seat);
        return;
    }
    /* What it says of not having been sent is not true: that was before. */
    if (seat->exec.err->code == POOL_ERR_LOST && seat->exec.err->server_errno >= 2000)
        seat->exec.err->not_executed = false;
    fail(ride, seat);
}

/* The reply up to its first set, and the rest of it. */
static bool receive_first(struct seat *seat)
{
    return seat->text ? pool__reply_receive_text(&seat->exec)
                      : pool__prepared_receive(&seat->exec, seat->stmt);
}

static bool read_rest(struct seat *seat)
{
    return seat->text ? pool__reply_read_text(&seat->exec)
                      : pool__reply_read_prepared(&seat->exec, seat->stmt);
}

static void receive_one(struct ride *ride, struct seat *seat)
{
    struct pool__conn *conn = ride->conn;
    struct pool__execution *exec = &seat->exec;
    pool__ok(exec->err);
    if (ride->lost) {
        fail_by_company(ride, seat);
        return;
    }
    bool ok = receive_first(seat);
    if (!ok && !seat->text && pool__prepared_is_forgotten(exec, seat->stmt)) {
        seat->again = true;
        return;
    }
    if (!ok)
        pool__outcome_fail(conn, &ride->wait, native_of(seat), true, exec->err);
    if (!ok || !read_rest(seat)) {
        fail_reply(ride, seat);
        return;
    }
    pool__stmt_note_reply(seat->stmt, exec->reply_bytes);
    if (conn->dirty || conn->in_transaction)
        seat->stmt->leaves_traces = true;
    seat->passenger->result = exec->result;
    finish(ride, seat);
}

static void fail_unsent(struct ride *ride)
{
    for (unsigned i = ride->sent; i < ride->count; i++) {
        struct seat *seat = &ride->seats[i];
        if (seat->exec.err->code == POOL_OK) {
            pool__fail(seat->exec.err, POOL_ERR_LOST,
                       "the connection was given up before the statement was sent");
            seat->exec.err->not_executed = true;
        }
        fail(ride, seat);
        pool__ok(&ride->err); /* the next one was not even tried */
    }
}

static bool is_first_of_its_kind(const struct ride *ride, unsigned index)
{
    for (unsigned i = 0; i < index; i++)
        if (ride->seats[i].stmt == ride->seats[index].stmt)
            return false;
    return true;
}

/* How long a statement took in one ride was seen once, however often it went. */
static void note_times(struct ride *ride, uint64_t started_ns)
{
    uint64_t now = pool__now_ns();
    ride->conn->heard_ns = ride->conn->broken ? 0 : now;
    for (unsigned i = 0; i < ride->sent; i++)
        if (is_first_of_its_kind(ride, i))
            pool__execution_note_time(ride->conn, ride->seats[i].stmt, now - started_ns,
                                      ride->sent);
}

/* Statements whose columns have changed, or that the server has forgotten. It sends, so it
 * needs the wait: its deadline, and its care for SIGPIPE. */
static void close_outdated(struct ride *ride)
{
    for (unsigned i = 0; i < ride->sent; i++) {
        struct pool__stmt *stmt = ride->seats[i].stmt;
        if ((stmt->outdated || ride->seats[i].again) && !ride->conn->broken)
            pool__stmt_close_native(&ride->conn->cache, stmt);
        stmt->outdated = false;
    }
}

/* A passenger who is held cannot leave: so its own deadline counts, too. */
static void run_again(struct ride *ride, struct seat *seat, uint64_t leader_ns)
{
    struct pool__passenger *passenger = seat->passenger;
    uint64_t own_ns = passenger->deadline_ns;
    pool_result_free(seat->exec.result);
    seat->exec.result = NULL;
    if (!is_leader(ride, seat) && !ride->told(&seat->passenger, 1, POOL__RODE_HOLD))
        return;
    passenger->result = pool__query(ride->conn, passenger->statement, NULL,
                                    own_ns < leader_ns ? own_ns : leader_ns, seat->exec.err);
    finish(ride, seat);
    tell_who_is_there(ride);
}

void pool__ride(struct pool__conn *conn, struct pool__passenger *passengers, unsigned count,
                uint64_t deadline_ns, struct pool_error *err, pool__progress_fn *told)
{
    struct ride ride;
    ride.conn = conn;
    ride.count = count;
    ride.sent = 0;
    ride.received = 0;
    ride.least = 1;
    ride.asked_until_ns = 0;
    ride.in_vain = false;
    conn->hasty_rides -= conn->hasty_rides > 0;
    ride.lost = false;
    ride.there_count = 0;
    ride.told = told;
    uint64_t started_ns = pool__now_ns();
    pool__ok(err);
    pool__ok(&ride.err);
    for (unsigned i = 0; i < count; i++)
        take_seat(&ride, &ride.seats[i], &passengers[i], i ? &ride.err : err);
    pool__conn_enter(conn, &ride.wait, deadline_ns);
    ride.wait.before_sleep = before_sleep;
    if (pool__conn_has_just_answered(conn, started_ns) || pool__execution_look(&ride.seats[0].exec))
        send_all(&ride);
    fail_unsent(&ride);
    for (; ride.received < ride.sent; ride.received++) {
        receive_one(&ride, &ride.seats[ride.received]);
        ride.asked_until_ns = 0;
    }
    if (ride.in_vain)
        conn->hasty_rides = HASTY_RIDES;
    tell_who_is_there(&ride);
    ask_for(&ride, 1);
    close_outdated(&ride);
    pool__conn_leave(conn, &ride.wait);
    if (ride.sent)
        note_times(&ride, started_ns);
    for (unsigned i = 0; i < ride.sent; i++)
        if (ride.seats[i].again)
            run_again(&ride, &ride.seats[i], deadline_ns);
}
