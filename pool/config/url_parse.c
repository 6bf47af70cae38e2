/*
 * mysql://user:password@host:port/database?connectionLimit=10&...
 *
 * A strict parser of our own. It accepts one way to write each thing: every part
 * is split first and percent-decoded once, a parameter may be given once, numbers
 * are plain decimals, and nothing in the query can reach what belongs before the
 * host. (mysql2 had an injection of options through URLs as late as 2026.) A '+'
 * is a '+'. Names, kinds and ranges of parameters are those of the table in
 * option_table.c; what concerns several options at once is checked there as well, when
 * the pool is made.
 *
 * A URL is cut up and decoded in place, which only ever makes it shorter.
 *
 * The password must not reach a message, not even when a stray '/' or '?' in it
 * makes the rest of it look like a path or a parameter. Therefore no message
 * quotes the URL, with one exception: the name of an unknown parameter, if it
 * looks like one and if the URL has a proper "user@" before the host, so that the
 * password has been accounted for. No state, no locks; any thread.
 */
#include "config/url_parse.h"

#include "base/error.h"
#include "config/option_check.h"
#include "config/setup_check.h"
#include "sql/chars.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLE "var."
#define MAX_VARIABLE 64

/* ---- Text ---- */

/* Ends `text` at the first `mark` and returns what follows it, or NULL. */
static char *cut(char *text, char mark)
{
    char *at = strchr(text, mark);
    if (!at)
        return NULL;
    *at = '\0';
    return at + 1;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | ('A' <= c && c <= 'F' ? 0x20 : 0)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Decodes in place, once; false if an escape is malformed or stands for NUL. What
 * is left of the longer encoded form is zeroed: it may be half a password. */
static bool decode(char *text)
{
    char *out = text;
    const char *in = text;
    for (; *in; in++, out++) {
        int high, low;
        if (*in != '%') {
            *out = *in;
            continue;
        }
        high = hex_digit(in[1]);
        low = high < 0 ? -1 : hex_digit(in[2]);
        if (low < 0 || high + low == 0)
            return false;
        *out = (char)(high << 4 | low);
        in += 2;
    }
    memset(out, 0, (size_t)(in - out));
    return true;
}

/* Plain decimal digits, no sign, no leading zero, no overflow. */
static bool parse_number(const char *text, uint64_t *ret)
{
    uint64_t number = 0;
    if (!*text || (*text == '0' && text[1]))
        return false;
    for (; *text; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (*text < '0' || *text > '9' || number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret = number;
    return true;
}

/* ---- Values of parameters ---- */

static bool refuse_number(struct pool__url_reader *r, const struct pool__option *option)
{
    return pool__fail(r->err, POOL_ERR_INVALID,
                      "URL: parameter '%s' must be a whole number from %llu to %llu%s%s",
                      option->name, (unsigned long long)option->min,
                      (unsigned long long)option->max, option->word ? " or " : "",
                      option->word ? option->word : "");
}

/* Zero means the default in the struct, so where zero is out of range it must not
 * get there from a URL: idleTimeout=0 would quietly become a minute. */
static bool set_number(struct pool__url_reader *r, const struct pool__option *option,
                       const char *value)
{
    uint64_t number = UINT32_MAX;
    bool is_word = option->word && !strcmp(value, option->word);
    if (!is_word && !parse_number(value, &number))
        return refuse_number(r, option);
    if (!pool__option_table_in_range(option, number))
        return refuse_number(r, option);
    pool__option_table_set_number(r->options, option, number);
    return true;
}

static bool set_flag(struct pool__url_reader *r, const struct pool__option *option,
                     const char *value)
{
    bool yes = !strcmp(value, "true") || !strcmp(value, "1");
    bool no = !strcmp(value, "false") || !strcmp(value, "0");
    bool *field = pool__option_table_field(r->options, option);
    if (!yes && !no)
        return pool__fail(r->err, POOL_ERR_INVALID,
                          "URL: parameter '%s' must be true or false (or 1 or 0)", option->name);
    *field = option->kind == POOL__OPTION_NOT_FLAG ? no : yes;
    return true;
}

static bool refuse_choice(struct pool__url_reader *r, const struct pool__option *option)
{
    char list[128] = "";
    size_t used = 0;
    for (size_t i = 0; option->words[i] && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                                 option->words[i]);
    return pool__fail(r->err, POOL_ERR_INVALID, "URL: parameter '%s' must be one of %s",
                      option->name, list);
}

static bool set_choice(struct pool__url_reader *r, const struct pool__option *option,
                       const char *value)
{
    unsigned *field = pool__option_table_field(r->options, option);
    for (unsigned i = 0; option->words[i]; i++)
        if (!strcmp(value, option->words[i])) {
            *field = i;
            return true;
        }
    return refuse_choice(r, option);
}

static bool set_value(struct pool__url_reader *r, const struct pool__option *option, char *value)
{
    switch (option->kind) {
    case POOL__OPTION_TEXT:
        *(const char **)pool__option_table_field(r->options, option) = value;
        return true;
    case POOL__OPTION_U32:
    case POOL__OPTION_SIZE: return set_number(r, option, value);
    case POOL__OPTION_FLAG:
    case POOL__OPTION_NOT_FLAG: return set_flag(r, option, value);
    case POOL__OPTION_CHOICE: return set_choice(r, option, value);
    }
    return false;
}

/* ---- Names of parameters ---- */

static bool has_variable(const char *const *variables, size_t count, const char *variable)
{
    for (size_t i = 0; i < count; i++)
        if (pool__setup_check_same_variable(variables[i], variable))
            return true;
    return false;
}

/* Whether there is such a variable, and whether a pool may set it, is asked later. */
static bool set_variable(struct pool__url_reader *r, char *name, char *value)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (len == 0 || len > MAX_VARIABLE || name[len])
        return pool__fail(r->err, POOL_ERR_INVALID,
                          "URL: a parameter var.NAME without the name of a variable");
    if (!value)
        return pool__fail(r->err, POOL_ERR_INVALID, "URL: parameter 'var.%s' has no value", name);
    if (!decode(value))
        return pool__fail(r->err, POOL_ERR_INVALID, "URL: parameter 'var.%s' has a bad '%%' escape",
                          name);
    if (has_variable(r->variables, r->variable_count, name))
        return pool__fail(r->err, POOL_ERR_INVALID, "URL: parameter 'var.%s' is given twice", name);
    name[len] = '=';
    r->variables[r->variable_count++] = name;
    return true;
}

static bool may_be_empty(const struct pool__option *option)
{
    return option->kind == POOL__OPTION_TEXT && option->min == 0;
}

static bool parse_parameter(struct pool__url_reader *r, char *name)
{
    char *value = cut(name, '=');
    size_t i;
    if (!strncmp(name, VARIABLE, strlen(VARIABLE)))
        return set_variable(r, name + strlen(VARIABLE), value);
    if (!pool__url_names_looks_like_one(name))
        return pool__fail(r->err, POOL_ERR_INVALID, "URL: malformed or empty parameter");
    i = pool__url_names_find(r, name);
    if (i == r->rows)
        return pool__url_names_refuse(r, name);
    if (r->seen >> i & 1)
        return pool__fail(r->err, POOL_ERR_INVALID, "URL: parameter '%s' is given twice", name);
    if (!value || (!*value && !may_be_empty(&r->table[i])))
        return pool__fail(r->err, POOL_ERR_INVALID, "URL: parameter '%s' has no value", name);
    if (!decode(value))
        return pool__fail(r->err, POOL_ERR_INVALID, "URL: parameter '%s' has a bad '%%' escape",
                          name);
    r->seen |= UINT64_C(1) << i;
    return set_value(r, &r->table[i], value);
}

static bool parse_query(struct pool__url_reader *r, char *query)
{
    while (query) {
        char *next = cut(query, '&');
        if (!parse_parameter(r, query))
            return false;
        query = next;
    }
    return true;
}

/* ---- What comes before the parameters ---- */

static bool decode_part(struct pool__url_reader *r, const char *what, char *text)
{
    return decode(text) ||
           pool__fail(r->err, POOL_ERR_INVALID, "URL: the %s has a bad '%%' escape", what);
}

static bool parse_user(struct pool__url_reader *r, char *user)
{
    char *password = cut(user, ':');
    if (!*user)
        return pool__fail(r->err, POOL_ERR_INVALID, "URL: the user before the '@' is missing");
    r->options->user = user;
    if (password)
        r->options->password = password;
    return decode_part(r, "user", user) && (!password || decode_part(r, "password", password));
}

static bool parse_port(struct pool__url_reader *r, const char *port)
{
    uint64_t number;
    if (!parse_number(port, &number) || number < 1 || number > 65535)
        return pool__fail(r->err, POOL_ERR_INVALID,
                          "URL: the port after the host must be a number from 1 to 65535");
    r->options->port = (unsigned)number;
    return true;
}

/* Splits host and port; *ret_host is left without brackets. False if malformed. */
static bool split_host(char *text, char **ret_host, char **ret_port)
{
    char *rest;
    if (*text != '[') {
        *ret_host = text;
        *ret_port = cut(text, ':');
        return true;
    }
    rest = cut(text, ']');
    if (!rest || !strchr(text, ':') || (*rest && *rest != ':'))
        return false;
    *ret_host = text + 1;
    *ret_port = *rest ? rest + 1 : NULL;
    return true;
}

/* An empty host is for URLs with a socketPath; parse_parts insists on one of them. */
static bool parse_host(struct pool__url_reader *r, char *text)
{
    char *host, *port;
    if (!split_host(text, &host, &port))
        return pool__fail(r->err, POOL_ERR_INVALID, "URL: malformed IPv6 address in brackets");
    if (!decode_part(r, "host", host))
        return false;
    if (*host && !pool__option_check_host(host))
        return pool__fail(r->err, POOL_ERR_INVALID,
                          "URL: the host is not a name or address (IPv6 needs brackets)");
    r->options->host = *host ? host : NULL;
    return !port || parse_port(r, port);
}

static bool parse_authority(struct pool__url_reader *r, char *authority)
{
    char *host = cut(authority, '@');
    if (!host)
        return parse_host(r, authority);
    r->may_quote_names = true;
    return parse_user(r, authority) && parse_host(r, host);
}

static bool parse_path(struct pool__url_reader *r, char *path)
{
    if (!path || !*path)
        return true;
    if (strchr(path, '/'))
        return pool__fail(r->err, POOL_ERR_INVALID,
                          "URL: a '/' in the database must be written %%2F");
    r->options->database = path;
    return decode_part(r, "database", path);
}

static bool parse_parts(struct pool__url_reader *r, char *authority)
{
    char *query = cut(authority, '?');
    char *path = cut(authority, '/');
    const char *at = strchr(authority, '@');
    if ((at && strchr(at + 1, '@')) || (path && strchr(path, '@')) || (query && strchr(query, '@')))
        return pool__fail(r->err, POOL_ERR_INVALID,
                          "URL: misplaced '@': in a user, password or parameter write "
                          "%%40 for '@', %%2F for '/', %%3F for '?'");
    if (!parse_authority(r, authority) || !parse_path(r, path) || !parse_query(r, query))
        return false;
    if (!r->options->host && !r->options->socket)
        return pool__fail(r->err, POOL_ERR_INVALID, "URL: the host is missing");
    return true;
}

bool pool__url_parse_check(const char *url, size_t len, struct pool_error *err)
{
    if (len > POOL__URL_MOST)
        return pool__fail(err, POOL_ERR_INVALID, "URL: longer than %d bytes", POOL__URL_MOST);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)url[i] <= 0x20 || url[i] == 0x7f)
            return pool__fail(err, POOL_ERR_INVALID,
                              "URL: a space or control character at byte %zu", i + 1);
    if (strchr(url, '#'))
        return pool__fail(err, POOL_ERR_INVALID, "URL: a '#' must be written %%23");
    return true;
}

/* What follows the scheme, or NULL. */
static char *skip_scheme(char *url)
{
    static const char *const schemes[] = {"mysql://", "mariadb://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (pool__is_same_word(url, schemes[i], strlen(schemes[i])))
            return url + strlen(schemes[i]);
    return NULL;
}

static bool parse(char *url, struct pool__url_reader *r)
{
    bool empty = !*url;
    char *authority = skip_scheme(url);
    r->table = pool__option_table(&r->rows);
    if (!authority)
        return pool__fail(r->err, POOL_ERR_INVALID,
                          empty ? "URL: is empty; it should start with mysql:// or mariadb://"
                                : "URL: does not start with mysql:// or mariadb://");
    return parse_parts(r, authority);
}

/* What the URL does not set stays, except for the server, which is the URL's: a socket in
 * the place of a host, or the other way round, would contradict what was there. */
bool pool__url_parse(char *url, struct pool__url_reader *r)
{
    unsigned port = r->options->port;
    r->options->host = r->options->socket = NULL;
    r->options->port = 0;
    if (!parse(url, r))
        return false;
    if (!r->options->socket && !r->options->port)
        r->options->port = port;
    return true;
}

void pool__url_parse_join(struct pool__url_reader *r)
{
    const char *const *before = r->options->session_variables;
    size_t own = r->variable_count;
    for (; before && *before; before++)
        if (!has_variable(r->variables, own, *before))
            r->variables[r->variable_count++] = *before;
    r->variables[r->variable_count] = NULL;
    r->options->session_variables = r->variable_count ? r->variables : NULL;
}
