/*
 * What the options for sessions may be, as far as the pool can tell: the server has the last word.
 * No state, no locks; any thread.
 */
#include "config/setup_check.h"

#include "base/error.h"
#include "sql/chars.h"

#include <string.h>
#include <strings.h>

#define MAX_VARIABLE 64
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool check_sql_mode(const char *modes, struct pool_error *err)
{
    if (!modes || !modes[strspn(modes, LETTERS DIGITS "_,")])
        return true;
    return pool__fail(err, POOL_ERR_INVALID,
                      "option 'sql_mode' is not a list of modes with commas: '%.80s'", modes);
}

/* +2:00, -05:30; the server knows the range. */
static bool is_offset(const char *zone)
{
    size_t hours = strspn(zone + 1, DIGITS);
    const char *colon = zone + 1 + hours;
    return (hours == 1 || hours == 2) && *colon == ':' && strspn(colon + 1, DIGITS) == 2 &&
           !colon[3];
}

static bool check_time_zone(const char *zone, struct pool_error *err)
{
    if (!zone)
        return true;
    if (!strcasecmp(zone, "Z") || !strcasecmp(zone, "local"))
        return pool__fail(err, POOL_ERR_INVALID,
                          "option 'time_zone' is '%s', which servers do not know: write "
                          "'+00:00' for UTC, 'SYSTEM' for the zone of the server",
                          zone);
    if (*zone == '+' || *zone == '-' ? is_offset(zone)
                                     : !zone[strspn(zone, LETTERS DIGITS "_+-/.")])
        return true;
    return pool__fail(err, POOL_ERR_INVALID,
                      "option 'time_zone' is not like '+02:00' or 'Europe/Berlin': '%.80s'", zone);
}

static bool check_collation(const char *name, struct pool_error *err)
{
    if (!name || (!strncasecmp(name, "utf8mb4_", 8) && !name[strspn(name, LETTERS DIGITS "_")]))
        return true;
    return pool__fail(err, POOL_ERR_INVALID,
                      "option 'collation' is not one of utf8mb4, the charset of all "
                      "connections: '%.80s'",
                      name);
}

/* The name before the '=', or all of the text. */
size_t pool__setup_check_name_length(const char *variable)
{
    return strcspn(variable, "=");
}

bool pool__setup_check_same_variable(const char *a, const char *b)
{
    return pool__setup_check_name_length(a) == pool__setup_check_name_length(b) &&
           pool__is_same_word(a, b, pool__setup_check_name_length(a));
}

/* Variables that the pool would be wrong about if somebody else set them. A name that ends
 * with '_' stands for all that begin with it. */
static const struct {
    const char *name;
    const char *why;
} owned[] = {
    {"autocommit", "there is the option 'no_autocommit', autocommit=false in a URL"},
    {"names", "the charset is always utf8mb4; there is the option 'collation'"},
    {"charset", "the charset is always utf8mb4; there is the option 'collation'"},
    {"character_set_", "the charset is always utf8mb4"},
    {"collation_", "there is the option 'collation'"},
    {"session_track_", "the pool uses it to tell whether a session has changed"},
    {"tx_isolation", "its name is not that of all servers; there is the option 'isolation'"},
    {"transaction_isolation",
     "its name is not that of all servers; there is the option 'isolation'"},
};

static const char *why_owned(const char *variable)
{
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        size_t len = strlen(owned[i].name);
        bool is_prefix = owned[i].name[len - 1] == '_';
        if (pool__is_same_word(variable, owned[i].name, len) &&
            (is_prefix || pool__setup_check_name_length(variable) == len))
            return owned[i].why;
    }
    return NULL;
}

/* Values are not shown, for nobody knows what they are. */
static bool check_variable(const char *variable, struct pool_error *err)
{
    size_t len = pool__setup_check_name_length(variable);
    if (!variable[len])
        return pool__fail(err, POOL_ERR_INVALID,
                          "option 'session_variables' has an entry that is not name=value: "
                          "'%.80s'",
                          variable);
    if (len == 0 || len > MAX_VARIABLE || strspn(variable, LETTERS DIGITS "_") != len)
        return pool__fail(err, POOL_ERR_INVALID,
                          "option 'session_variables' has a name that is not of letters, digits "
                          "and '_': '%.*s'",
                          (int)(len < 80 ? len : 80), variable);
    for (const char *at = variable; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return pool__fail(err, POOL_ERR_INVALID,
                              "option 'session_variables' has a control character in '%.*s'",
                              (int)len, variable);
    if (why_owned(variable))
        return pool__fail(err, POOL_ERR_INVALID, "option 'session_variables' cannot set '%.*s': %s",
                          (int)len, variable, why_owned(variable));
    return true;
}

/* By an option of its own. */
bool pool__setup_check_is_option(const struct pool_options *v, const char *variable)
{
    return (v->sql_mode && pool__setup_check_same_variable("sql_mode", variable)) ||
           (v->time_zone && pool__setup_check_same_variable("time_zone", variable)) ||
           (v->isolation && (pool__setup_check_same_variable("tx_isolation", variable) ||
                             pool__setup_check_same_variable("transaction_isolation", variable)));
}

static bool is_given_before(const struct pool_options *v, size_t index)
{
    const char *const *all = v->session_variables;
    for (size_t i = 0; i < index; i++)
        if (pool__setup_check_same_variable(all[i], all[index]))
            return true;
    return pool__setup_check_is_option(v, all[index]);
}

bool pool__setup_check(const struct pool_options *v, struct pool_error *err)
{
    const char *const *all = v->session_variables;
    if (!check_sql_mode(v->sql_mode, err) || !check_time_zone(v->time_zone, err) ||
        !check_collation(v->collation, err))
        return false;
    for (size_t i = 0; all && all[i]; i++) {
        if (!check_variable(all[i], err))
            return false;
        if (is_given_before(v, i))
            return pool__fail(err, POOL_ERR_INVALID,
                              "option 'session_variables' sets '%.*s', which is given twice",
                              (int)pool__setup_check_name_length(all[i]), all[i]);
    }
    return true;
}
