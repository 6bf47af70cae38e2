/*
 * One connection to the server: a MYSQL handle with what the pool knows about it.
 *
 * A connection belongs to whoever owns its slot; its functions may be called by one
 * thread at a time. Every function that talks to the server takes a deadline.
 */
#ifndef POOL_CONN_CONN_H
#define POOL_CONN_CONN_H

#include "config/options.h"
#include "conn/stmt.h"
#include "conn/trx.h"
#include "conn/wait.h"
#include "mypool.h"
#include "sql/inspect.h"
#include "sql/lexer.h"

struct st_mysql; /* libmariadb's MYSQL */

struct pool_setup {
    struct pool__conn *conn;
    uint64_t deadline_ns;
};

struct pool__conn {
    struct st_mysql *mysql;
    const struct pool__options *options;
    struct pool__stmt_cache cache;
    unsigned long thread_id;
    int cut_fd;             /* the pool's, to interrupt every wait */
    int kept_fd;            /* socket kept after a timeout, -1 if none */
    uint32_t unheard_ms;    /* see wait.h; 0 on a Unix socket */
    uint64_t device, inode; /* of the socket: its number may become that of something else */
    bool tls;
    bool mariadb;        /* the flavour of the server; else MySQL */
    bool pipelines;      /* it is known to answer one statement after another, in order */
    bool broken;         /* must be closed */
    bool abandoned;      /* because rows of its last statement were left unread */
    bool dirty;          /* must be reset before the next borrower */
    bool in_transaction; /* as of the last status that can be trusted */
    bool autocommit;     /* of the fresh session */
    struct pool__trx trx;
    bool may_run;                /* broken while a statement may run on the server */
    enum pool__sql_class class_; /* of the statement that is being run, or was last */
    enum pool__sql_turn turn;    /* likewise */
    bool read_only;              /* likewise */
    bool rereads;                /* likewise */
    enum pool__quotes quotes;    /* of the session, see quotes.c */
    bool quotes_known;     /* nothing that may change them was run since they were asked for */
    bool native_given;     /* the program has the MYSQL *: nothing stays known */
    uint64_t max_packet;   /* the server's max_allowed_packet */
    uint64_t max_prepared; /* the server's max_prepared_stmt_count */
    uint32_t wait_timeout_s;
    char *role;             /* of the fresh session, after its init; NULL if none */
    char *database;         /* likewise */
    char *identity;         /* who it is to the server, as of the login */
    char *time_limit;       /* max_statement_time of the account; NULL if it has none */
    bool login_is_more;     /* than a reset: init_connect, or what stands between, sets more */
    uint64_t database_hash; /* of the name of the current one */
    uint64_t opened_ns;
    uint64_t heard_ns;        /* when the last reply was complete */
    bool handed_over;         /* its present user has waited for it: it was not idle before */
    unsigned hasty_pipelines; /* see pipeline.c */
    uint64_t bulky_ns;        /* since when a large buffer is seen, see trim.c; 0: it has none */
    uint64_t trip_ns; /* the shortest time in which a statement was answered: mostly the way */
    struct pool__conn *next; /* in the list of those that pool_end has to close */
};

/* Fails a call because the connection was broken before it. */
bool pool__conn_fail_broken(const struct pool__conn *conn, struct pool_error *err);

/* Whether the last reply was complete a moment ago, and nothing came since. Costs nothing. */
bool pool__conn_has_just_answered(const struct pool__conn *conn, uint64_t now);

/* The socket, which stays libmariadb's. */
int pool__conn_socket(const struct pool__conn *conn);

/* A packet to the server has to stay below so many bytes: max_packet_bytes, or what the server
 * takes, if that is known and less. */
size_t pool__conn_packet_limit(const struct pool__conn *conn);

/* Whether autocommit is on in the session, by the last reply. */
bool pool__conn_commits_by_itself(const struct pool__conn *conn);

/* Whether something came behind the last reply that was no part of it. Costs nothing. */
bool pool__conn_has_leftovers(const struct pool__conn *conn);

/* False if the program has closed the descriptor, whatever has its number now. One system
 * call. */
bool pool__conn_is_ours(const struct pool__conn *conn);

/* False if the server has closed the connection, or said something although nothing was
 * asked, or if the connection has been silent for a while and is not ours any more. One
 * system call, two after a silence. */
bool pool__conn_is_quiet(struct pool__conn *conn);

/* Whether neither side has closed the connection. Two system calls. */
bool pool__conn_is_open(const struct pool__conn *conn);

/* Says goodbye and frees the connection. Returns a duplicate of the socket on which the server's
 * own close can be awaited, or -1. Never blocks. A descriptor that is not ours any more is left
 * alone. */
int pool__conn_close(struct pool__conn *conn);

/* Frees the connection without a byte on the wire (in a child process, after a fork). */
void pool__conn_abandon(struct pool__conn *conn);

/* Begins and ends a stretch of libmariadb calls under a deadline. */
void pool__conn_enter(struct pool__conn *conn, struct pool__wait *wait, uint64_t deadline_ns);
void pool__conn_leave(struct pool__conn *conn, struct pool__wait *wait);

#endif
