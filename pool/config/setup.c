/*
 * What is said to the server at the begin of each session, and again after each reset.
 *
 * It is one SET statement, so that the options for sessions (sql_mode, time_zone,
 * isolation, collation, session_variables) cost no round trip beyond the one that the pool
 * needs for itself. Its text depends on the options alone, except for one name: the
 * isolation level is tx_isolation for MariaDB before 11.1.1, transaction_isolation for
 * newer ones and for MySQL. So it is written when the options are checked, for both, and
 * chosen when the server is known.
 *
 * Values are literals that mean the same in every sql_mode (pool_format). A server takes
 * '5' for a wrong type where it wants a number, and 5 where it wants a text: what looks
 * like a number goes as one, unless the program puts it in quotes.
 *
 * The server judges the values. When it refuses the statement, its message mostly has the
 * name of the variable in quotes, from which the option to blame is found.
 *
 * No state, no locks; any thread.
 */
#include "config/setup.h"

#include "base/error.h"
#include "config/setup_check.h"
#include "sql/chars.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { OLD_NAME, NEW_NAME }; /* of the isolation level */

#define DIGITS "0123456789"
#define MARIADB_RENAMED 110101UL

/* MySQL needs its charset set again after a reset, and setting it is harmless elsewhere. A
 * server or its init_connect may switch autocommit off; then a session that is lent for one
 * statement would lose it. */
#define NAMES "SET NAMES utf8mb4"
#define TRACK                                                                                      \
    ", SESSION session_track_state_change = 1, SESSION session_track_schema = 1, "                 \
    "SESSION session_track_system_variables = '', SESSION autocommit = "

static const char *const levels[] = {NULL, "READ-UNCOMMITTED", "READ-COMMITTED", "REPEATABLE-READ",
                                     "SERIALIZABLE"};

/* ------------------------------------------------------------------------
 * The statement
 */

/* -12.5e3 and the like. */
static bool is_number(const char *value)
{
    const char *at = value + (*value == '-');
    size_t whole = strspn(at, DIGITS);
    at += whole;
    if (*at == '.') {
        size_t fraction = strspn(at + 1, DIGITS);
        whole = fraction ? whole : 0;
        at += 1 + fraction;
    }
    if (whole && (*at == 'e' || *at == 'E')) {
        at += 1 + (at[1] == '-' || at[1] == '+');
        whole = strspn(at, DIGITS);
        at += whole;
    }
    return whole && !*at;
}

static bool is_bare(const char *value)
{
    return is_number(value) || !strcasecmp(value, "DEFAULT") || !strcasecmp(value, "TRUE") ||
           !strcasecmp(value, "FALSE");
}

static bool is_quoted(const char *value, size_t len)
{
    return len >= 2 && *value == '\'' && value[len - 1] == '\'';
}

/* A text whose size has been bounded before. */
struct writer {
    char *at;
    bool ok; /* false: out of memory */
};

static void put(struct writer *out, const char *text, size_t len)
{
    memcpy(out->at, text, len);
    out->at += len;
    *out->at = '\0';
}

static void put_word(struct writer *out, const char *word)
{
    put(out, word, strlen(word));
}

static void put_text(struct writer *out, const char *text, size_t len)
{
    struct pool_value value = pool_text_n(text, len);
    char *literal = pool_format("?", (struct pool_args){&value, 1}, NULL);
    if (literal)
        put_word(out, literal);
    else
        out->ok = false;
    free(literal);
}

static void put_name(struct writer *out, const char *name, size_t len)
{
    put_word(out, ", SESSION ");
    put(out, name, len);
    put_word(out, " = ");
}

static void put_variable(struct writer *out, const char *variable)
{
    const char *value = variable + pool__setup_check_name_length(variable) + 1;
    size_t len = strlen(value);
    put_name(out, variable, pool__setup_check_name_length(variable));
    if (is_bare(value))
        put_word(out, value);
    else if (is_quoted(value, len))
        put_text(out, value + 1, len - 2);
    else
        put_text(out, value, len);
}

static void put_option(struct writer *out, const char *name, const char *value)
{
    if (!value)
        return;
    put_name(out, name, strlen(name));
    put_text(out, value, strlen(value));
}

/* Of a name and its literal, which may be all in hexadecimal. */
static size_t most_bytes(const char *text)
{
    return text ? sizeof ", SESSION transaction_isolation = _utf8mb4 X''" + 2 * strlen(text) : 0;
}

static size_t size_needed(const struct pool_options *v)
{
    size_t size = sizeof NAMES " COLLATE " TRACK "0" + most_bytes(v->sql_mode) +
                  most_bytes(v->time_zone) + most_bytes(levels[v->isolation]) +
                  most_bytes(v->collation);
    for (const char *const *at = v->session_variables; at && *at; at++)
        size += most_bytes(*at);
    return size;
}

/* NULL if there is no memory. */
static char *write_statement(const struct pool_options *v, const char *isolation)
{
    char *sql = malloc(size_needed(v));
    struct writer out = {sql, true};
    if (!sql)
        return NULL;
    put_word(&out, NAMES);
    if (v->collation) {
        put_word(&out, " COLLATE ");
        put_word(&out, v->collation);
    }
    put_word(&out, TRACK);
    put_word(&out, v->no_autocommit ? "0" : "1");
    put_option(&out, "sql_mode", v->sql_mode);
    put_option(&out, "time_zone", v->time_zone);
    put_option(&out, isolation, levels[v->isolation]);
    for (const char *const *at = v->session_variables; at && *at; at++)
        put_variable(&out, *at);
    if (!out.ok) {
        free(sql);
        sql = NULL;
    }
    return sql;
}

void pool__setup_fini(struct pool__setup_sql *setup)
{
    free(setup->text[OLD_NAME]);
    free(setup->text[NEW_NAME]);
    *setup = (struct pool__setup_sql){{NULL, NULL}};
}

bool pool__setup_init(struct pool__setup_sql *ret, const struct pool_options *v,
                      struct pool_error *err)
{
    struct pool__setup_sql setup = {
        {write_statement(v, "tx_isolation"), write_statement(v, "transaction_isolation")}};
    if (!setup.text[OLD_NAME] || !setup.text[NEW_NAME]) {
        pool__setup_fini(&setup);
        return pool__fail(err, POOL_ERR_NOMEM, "no memory for the set-up of sessions");
    }
    *ret = setup;
    return true;
}

const char *pool__setup_text(const struct pool__setup_sql *setup, bool mariadb,
                             unsigned long version)
{
    return setup->text[mariadb && version < MARIADB_RENAMED ? OLD_NAME : NEW_NAME];
}

static bool sets(const struct pool_options *v, const char *variable)
{
    for (const char *const *at = v->session_variables; at && *at; at++)
        if (pool__setup_check_same_variable(*at, variable))
            return true;
    return pool__setup_check_is_option(v, variable);
}

bool pool__setup_sets(const struct pool_options *v, const char *variable)
{
    static const char *const others[][2] = {{"tx_read_only", "transaction_read_only"},
                                            {"default_storage_engine", "storage_engine"}};
    bool set = sets(v, variable);
    for (size_t i = 0; i < sizeof others / sizeof *others && !set; i++)
        set = pool__setup_check_same_variable(others[i][0], variable) && sets(v, others[i][1]);
    return set;
}

/* ------------------------------------------------------------------------
 * Whose fault it was
 */

#define UNKNOWN_COLLATION 1273
#define COLLATION_MISMATCH 1253
#define UNKNOWN_TIME_ZONE 1298

/* The server puts names of variables in quotes. */
static bool names_it(const char *message, const char *name, size_t len)
{
    for (const char *at = strchr(message, '\''); at; at = strchr(at + 1, '\''))
        if (pool__is_same_word(at + 1, name, len) && at[1 + len] == '\'')
            return true;
    return false;
}

static const char *option_to_blame(const struct pool_options *v, const struct pool_error *err)
{
    if (err->server_errno == UNKNOWN_COLLATION || err->server_errno == COLLATION_MISMATCH)
        return v->collation ? "collation" : NULL;
    if (v->sql_mode && names_it(err->message, "sql_mode", strlen("sql_mode")))
        return "sql_mode";
    if (v->isolation &&
        (names_it(err->message, "tx_isolation", strlen("tx_isolation")) ||
         names_it(err->message, levels[v->isolation], strlen(levels[v->isolation])) ||
         names_it(err->message, "transaction_isolation", strlen("transaction_isolation"))))
        return "isolation";
    if (v->time_zone && (err->server_errno == UNKNOWN_TIME_ZONE ||
                         names_it(err->message, "time_zone", strlen("time_zone"))))
        return "time_zone";
    return NULL;
}

static const char *variable_to_blame(const struct pool_options *v, const struct pool_error *err)
{
    const char *const *all = v->session_variables;
    for (size_t i = 0; all && all[i]; i++)
        if (names_it(err->message, all[i], pool__setup_check_name_length(all[i])) ||
            (err->server_errno == UNKNOWN_TIME_ZONE &&
             pool__setup_check_same_variable(all[i], "time_zone")) ||
            (i == 0 && !all[1] && !v->sql_mode && !v->time_zone && !v->isolation && !v->collation))
            return all[i];
    return NULL;
}

static bool asks_for_anything(const struct pool_options *v)
{
    return v->sql_mode || v->time_zone || v->isolation || v->collation || v->session_variables;
}

void pool__setup_explain(const struct pool_options *v, struct pool_error *err)
{
    if (!err || err->code != POOL_ERR_SERVER || !asks_for_anything(v))
        return;
    const char *option = option_to_blame(v, err);
    const char *variable = option ? NULL : variable_to_blame(v, err);
    struct pool_error server = *err;
    if (option)
        pool__fail(err, server.code, "option '%s': %s", option, server.message);
    else if (variable)
        pool__fail(err, server.code, "option 'session_variables', '%.*s': %s",
                   (int)pool__setup_check_name_length(variable), variable, server.message);
    else
        pool__fail(err, server.code, "options for the session: %s", server.message);
    err->server_errno = server.server_errno;
    memcpy(err->sqlstate, server.sqlstate, sizeof err->sqlstate);
    err->fatal = server.fatal;
    err->not_executed = server.not_executed;
    err->retry_transaction = server.retry_transaction;
}
