/*
 * What an error number means to a pool, by server flavour. Pure: no I/O, no state.
 */
#ifndef POOL_CORE_CLASSIFY_H
#define POOL_CORE_CLASSIFY_H

#include <stdbool.h>

/* What an error in answer to a statement asks for. */
enum pool__error_class {
    POOL__ERROR_STATEMENT, /* the statement failed, the session is as it was */
    POOL__ERROR_DIRTY,     /* the session's state is uncertain: reset */
    POOL__ERROR_RETRY,     /* the transaction is to be run again */
    POOL__ERROR_TIMEOUT,   /* the server's own statement timeout */
    POOL__ERROR_READ_ONLY, /* this server takes no writes any more */
    POOL__ERROR_TOO_BIG,   /* a packet over a limit; the connection is unusable */
    POOL__ERROR_LOST,      /* the connection is unusable, the outcome unknown */
    POOL__ERROR_UNSENT,    /* the connection is unusable, the statement was not sent */
    POOL__ERROR_NOMEM
};

struct pool__error_facts {
    enum pool__error_class class_;
    bool before_start; /* an error of parsing or resolving: nothing was done, nothing changed */
    bool not_executed; /* refused before doing anything, if it is a single plain statement */
};

struct pool__error_facts pool__classify(unsigned code, const char *text, bool mariadb);

/* Why a connect failed, as the failure controller sees it. */
enum pool__connect_class {
    POOL__CONNECT_TRANSIENT, /* try again soon */
    POOL__CONNECT_CAPACITY,  /* the server has no room: lower the ceiling */
    POOL__CONNECT_BLOCKED,   /* this host is blocked: long pause */
    POOL__CONNECT_PASSWORD,  /* wrong credentials: refresh them once */
    POOL__CONNECT_PERMANENT, /* refused for good: configuration */
    POOL__CONNECT_TLS        /* no TLS, or not the right server */
};

enum pool__connect_class pool__classify_connect(unsigned code);

/* What failed after the login, while the session was set up. `code` is not 0. */
enum pool__setup_class {
    POOL__SETUP_ENDED,  /* the session ended, as when somebody kills it */
    POOL__SETUP_FAILED, /* the server does not serve for the moment */
    POOL__SETUP_REFUSED /* the account or a statement of the set-up: it will be so each time */
};

enum pool__setup_class pool__classify_setup(unsigned code, const char *text, bool mariadb);

/* Of an error of TLS: the session just ended, which may happen to any. `text` is the
 * library's. */
bool pool__is_cut_off(unsigned code, const char *text);

#endif
