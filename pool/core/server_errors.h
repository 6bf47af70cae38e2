/*
 * Numbers of errors that the pool itself looks for, beside those that mypool.h names. What each
 * means to a pool is in classify.c.
 */
#ifndef POOL_CORE_SERVER_ERRORS_H
#define POOL_CORE_SERVER_ERRORS_H

/* Of the servers: MariaDB's and MySQL's are the same. */
enum pool__server_error {
    POOL__ER_NO_SUCH_THREAD = 1094,       /* the session of a KILL */
    POOL__ER_HOST_IS_BLOCKED = 1129,      /* too many failed handshakes */
    POOL__ER_UNKNOWN_STATEMENT = 1243,    /* a prepared one */
    POOL__ER_UNSUPPORTED_PREPARED = 1295, /* it cannot be prepared, or not be run in bulk */
    POOL__ER_NEED_REPREPARE = 1615
};

/* Of libmariadb: other columns than when the statement was prepared. */
#define POOL__CR_NEW_STMT_METADATA 2057

#endif
