/*
 * Error numbers of servers and of libmariadb, sorted by what a pool has to do.
 *
 * Client codes (2000 to 2999 and 5000 to 5999) nearly all mean that the connection
 * is unusable; 2006 alone says that the statement was not completely sent. Server
 * codes that are not listed are errors of the statement. A few numbers mean
 * different things to MariaDB and MySQL (4031, 3024): those carry a flavour.
 */
#include "core/classify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define TLS_ERROR 2026

enum flavour { ANY, MARIADB, MYSQL8 };

static const struct rule {
    unsigned code;
    enum flavour flavour;
    enum pool__error_class class_;
    bool not_executed;
} rules[] = {
    {1020, ANY, POOL__ERROR_RETRY, false},     /* record has changed since last read */
    {1044, ANY, POOL__ERROR_STATEMENT, false}, /* no access to database */
    {1047, ANY, POOL__ERROR_LOST, true},       /* Galera node not ready: use another */
    {1049, ANY, POOL__ERROR_STATEMENT, false}, /* unknown database */
    {1053, ANY, POOL__ERROR_LOST, false},      /* server shutdown in progress */
    {1054, ANY, POOL__ERROR_STATEMENT, false}, /* unknown column */
    {1064, ANY, POOL__ERROR_STATEMENT, true},  /* syntax */
    {1077, ANY, POOL__ERROR_LOST, false},      /* shutdown notices */
    {1079, ANY, POOL__ERROR_LOST, false},
    {1080, ANY, POOL__ERROR_LOST, false},
    {1105, ANY, POOL__ERROR_DIRTY, false},     /* unknown error */
    {1142, ANY, POOL__ERROR_STATEMENT, false}, /* command denied */
    {1146, ANY, POOL__ERROR_STATEMENT, false}, /* no such table */
    {1152, ANY, POOL__ERROR_LOST, false},      /* aborted connection */
    {1153, ANY, POOL__ERROR_TOO_BIG, true},    /* packet over max_allowed_packet */
    {1156, ANY, POOL__ERROR_LOST, false},      /* protocol damage */
    {1157, ANY, POOL__ERROR_LOST, false},
    {1158, ANY, POOL__ERROR_LOST, false}, /* network read and write errors */
    {1159, ANY, POOL__ERROR_LOST, false},
    {1160, ANY, POOL__ERROR_LOST, false},
    {1161, ANY, POOL__ERROR_LOST, false},
    {1180, ANY, POOL__ERROR_LOST, false}, /* error during commit: outcome unknown */
    {1184, ANY, POOL__ERROR_LOST, false},
    {1205, ANY, POOL__ERROR_RETRY, false},    /* lock wait timeout */
    {1206, ANY, POOL__ERROR_RETRY, false},    /* lock table full */
    {1213, ANY, POOL__ERROR_RETRY, false},    /* deadlock */
    {1243, ANY, POOL__ERROR_STATEMENT, true}, /* unknown statement handle */
    {1295, ANY, POOL__ERROR_STATEMENT, true}, /* cannot be prepared */
    {1461, ANY, POOL__ERROR_STATEMENT, true}, /* too many prepared statements */
    {1615, ANY, POOL__ERROR_STATEMENT, true}, /* needs to be prepared again */
    {1637, ANY, POOL__ERROR_RETRY, false},    /* too many transactions */
    {1820, ANY, POOL__ERROR_LOST, true},      /* password expired */
    {1835, ANY, POOL__ERROR_LOST, false},     /* malformed packet */
    {1836, ANY, POOL__ERROR_READ_ONLY, true}, /* read-only mode */
    {1862, ANY, POOL__ERROR_LOST, true},
    {1927, MARIADB, POOL__ERROR_LOST, false},    /* connection killed */
    {1969, MARIADB, POOL__ERROR_TIMEOUT, false}, /* max_statement_time */
    {3024, MYSQL8, POOL__ERROR_TIMEOUT, false},  /* max_execution_time */
    {3032, ANY, POOL__ERROR_LOST, true},         /* offline mode */
    {3100, MYSQL8, POOL__ERROR_DIRTY, false},    /* group replication */
    {3101, MYSQL8, POOL__ERROR_RETRY, false},
    {3168, MYSQL8, POOL__ERROR_LOST, false}, /* session killed */
    {3169, MYSQL8, POOL__ERROR_LOST, false},
    {3572, MYSQL8, POOL__ERROR_RETRY, false}, /* NOWAIT met a lock; 1205 on MariaDB */
    {4031, MYSQL8, POOL__ERROR_LOST, true},   /* closed for inactivity */
    {4081, MYSQL8, POOL__ERROR_LOST, false},  /* closed over a limit of memory */
    {4082, MYSQL8, POOL__ERROR_LOST, false},
};

static bool is_client(unsigned code)
{
    return (code >= 2000 && code < 3000) || (code >= 5000 && code < 6000);
}

static struct pool__error_facts classify_client(unsigned code)
{
    switch (code) {
    case 2006: /* gone while writing: never completely sent */
        return (struct pool__error_facts){POOL__ERROR_UNSENT, true, true};
    case 2008: return (struct pool__error_facts){POOL__ERROR_NOMEM, false, false};
    case 2020: return (struct pool__error_facts){POOL__ERROR_TOO_BIG, false, false};
    case 2030: /* misuse of the statement interface: nothing was sent */
    case 2031:
    case 2034:
    case 2036:
    case 2056: return (struct pool__error_facts){POOL__ERROR_STATEMENT, true, true};
    default: return (struct pool__error_facts){POOL__ERROR_LOST, false, false};
    }
}

struct pool__error_facts pool__classify(unsigned code, const char *text, bool mariadb)
{
    if (is_client(code))
        return classify_client(code);
    /* 1290 is any option that forbids the statement; only one makes it a replica. */
    if (code == 1290 && text && (strstr(text, "read-only") || strstr(text, "read_only")))
        return (struct pool__error_facts){POOL__ERROR_READ_ONLY, true, true};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct rule *rule = &rules[i];
        if (rule->code == code && (rule->flavour == ANY || (rule->flavour == MARIADB) == mariadb))
            /* All listed errors of the class STATEMENT are of parsing or resolving. */
            return (struct pool__error_facts){rule->class_, rule->class_ == POOL__ERROR_STATEMENT,
                                              rule->not_executed};
    }
    return (struct pool__error_facts){POOL__ERROR_STATEMENT, false, false};
}

/* clang-format off */
enum pool__connect_class pool__classify_connect(unsigned code)
{
    switch (code) {
    case 1040: /* max_connections */
    case 1135: /* cannot create a thread */
    case 1203: /* the user's connection limit */
    case 1226: /* the user's resource limit */
        return POOL__CONNECT_CAPACITY;
    case 1129: /* too many failed handshakes */
    case 3955: /* too many bad passwords, on MySQL */
    case 4150: /* and on MariaDB */
        return POOL__CONNECT_BLOCKED;
    case 1045:
    case 1698:
        return POOL__CONNECT_PASSWORD;
    case TLS_ERROR:
        return POOL__CONNECT_TLS;
    case 1193: /* of the set-up: options that this server will never take */
    case 1227: case 1228: case 1229: case 1231: case 1232: case 1238: case 1253: case 1273:
    case 1298:
    case 1042: case 1043: case 1044: case 1049: case 1130: case 1184: case 1251: case 1275:
    case 1524: case 1820: case 1862: case 2005: case 2007: case 2012: case 2019: case 2047:
    case 2049: case 2059: case 2061: case 3118: case 3159: case 4151: case 5001: case 5010:
    case 5011: case 5012: case 5024:
        return POOL__CONNECT_PERMANENT;
    default:
        return POOL__CONNECT_TRANSIENT;
    }
}
/* clang-format on */

/* Want of room or time at the server, which the same statement may find another time. */
/* clang-format off */
static bool passes(unsigned code)
{
    switch (code) {
    case 1021: case 1030: case 1037: case 1038: case 1041: case 1114: case 1297: case 1317:
        return true;
    default:
        return false;
    }
}
/* clang-format on */

enum pool__setup_class pool__classify_setup(unsigned code, const char *text, bool mariadb)
{
    enum pool__connect_class connect = pool__classify_connect(code);
    struct pool__error_facts facts = pool__classify(code, text, mariadb);
    if (is_client(code))
        return POOL__SETUP_ENDED;
    if (connect == POOL__CONNECT_PASSWORD || connect == POOL__CONNECT_PERMANENT)
        return POOL__SETUP_REFUSED;
    if (connect != POOL__CONNECT_TRANSIENT || passes(code))
        return POOL__SETUP_FAILED;
    if (facts.class_ == POOL__ERROR_STATEMENT || facts.class_ == POOL__ERROR_TOO_BIG)
        return POOL__SETUP_REFUSED;
    return facts.class_ == POOL__ERROR_LOST && !facts.not_executed ? POOL__SETUP_ENDED
                                                                   : POOL__SETUP_FAILED;
}

/* The library has one code for all of TLS; what the system says has its number behind it.
 * Version 3.4 says EAGAIN, left over from a read before, for a session that has ended. */
bool pool__is_cut_off(unsigned code, const char *text)
{
    static const int numbers[] = {ECONNRESET, EPIPE, EAGAIN};
    if (code != TLS_ERROR)
        return false;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char number[16];
        snprintf(number, sizeof number, " (%d)", numbers[i]);
        if (strstr(text, number))
            return true;
    }
    return strstr(text, "unexpected eof");
}
