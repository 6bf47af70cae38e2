/*
 * What an error number means to a pool, by server flavour. Pure: no I/O, no state.
 */
#ifndef POOL_CORE_CLASSIFY_H
#define POOL_CORE_CLASSIFY_H

#include <stdbool.h>

/* What an error in answer to a statement asks for. */
enum pool__error_class {
    POOL__E_STATEMENT, /* the statement failed, the session is as it was */
    POOL__E_DIRTY,     /* the session's state is uncertain: reset */
    POOL__E_RETRY,     /* the transaction is to be run again */
    POOL__E_TIMEOUT,   /* the server's own statement timeout */
    POOL__E_READ_ONLY, /* this server takes no writes any more */
    POOL__E_TOO_BIG,   /* a packet over a limit; the connection is unusable */
    POOL__E_LOST,      /* the connection is unusable, the outcome unknown */
    POOL__E_UNSENT,    /* the connection is unusable, the statement was not sent */
    POOL__E_NOMEM
};

struct pool__error_facts {
    enum pool__error_class class_;
    bool before_start; /* an error of parsing or resolving: nothing was done, nothing changed */
    bool not_executed; /* refused before doing anything, if it is a single plain statement */
};

struct pool__error_facts pool__classify(unsigned code, const char *text, bool mariadb);

/* Why a connect failed, as the failure controller sees it. */
enum pool__connect_class {
    POOL__C_TRANSIENT, /* try again soon */
    POOL__C_CAPACITY,  /* the server has no room: lower the ceiling */
    POOL__C_BLOCKED,   /* this host is blocked: long pause */
    POOL__C_PASSWORD,  /* wrong credentials: refresh them once */
    POOL__C_PERMANENT, /* refused for good: configuration */
    POOL__C_TLS        /* no TLS, or not the right server */
};

enum pool__connect_class pool__classify_connect(unsigned code);

/* What failed after the login, while the session was set up. `code` is not 0. */
enum pool__setup_class {
    POOL__S_ENDED,  /* the session ended, as when somebody kills it */
    POOL__S_FAILED, /* the server does not serve for the moment */
    POOL__S_REFUSED /* the account or a statement of the set-up: it will be so each time */
};

enum pool__setup_class pool__classify_setup(unsigned code, const char *text, bool mariadb);

/* Of an error of TLS: the session just ended, which may happen to any. `text` is the
 * library's. */
bool pool__is_cut_off(unsigned code, const char *text);

#endif
