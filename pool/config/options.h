/*
 * The options of a pool, checked and owned.
 *
 * pool__options_init turns what a program wrote into what the pool works with:
 * every option validated, every default filled in, every string copied. From
 * then on nobody asks again whether a field is zero. options.c also owns the one
 * table of what an option is called, what it defaults to and how far it may go;
 * the URL parser reads the same table, so that the two cannot disagree.
 */
#ifndef POOL_CONFIG_OPTIONS_H
#define POOL_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/setup.h"
#include "mypool.h"

/* Immutable between init and fini, so any thread may read it without a lock. */
struct pool__options {
    /* The effective values: limits and times are never zero unless zero is meant
     * (min_idle), host, user and password are never NULL (host is "localhost" if
     * a socket is used, user is "" if only the credentials callback knows it),
     * host has no brackets, database is NULL or not empty, tls is never
     * POOL_TLS_DEFAULT, auth_plugins is never NULL. All pointers are owned. */
    struct pool_options v;
    bool use_socket;          /* connect to v.socket; else by TCP to v.host, v.port */
    enum pool_tls_mode tls;   /* same as v.tls */
    const char *auth_plugins; /* same as v.auth_plugins */
    char *memory;             /* every string and the arrays of them, in one mapping; reads as
                                 zeros in a child process, which uses none of them */
    size_t memory_size;
    struct pool__setup_sql setup; /* how each session begins */
};

/* Copies and validates. `options_size` is what the caller's compiler thought
 * sizeof(struct pool_options) was: fields that an older caller does not know are
 * defaults, fields that only a newer one knows must be zero. The error names the
 * option and the bad value. On failure *ret is untouched and there is nothing to
 * free; on success *err is untouched. Any thread. */
bool pool__options_init(struct pool__options *ret, const struct pool_options *options,
                        size_t options_size, struct pool_error *err);

/* Takes the bytes that both the caller and this library know, and zeroes the others. False
 * if the caller uses one that the library does not know. Any thread. */
bool pool__options_take(struct pool_options *ret, const struct pool_options *options,
                        size_t options_size, struct pool_error *err);

/* Of an array that ends with NULL, or is NULL. */
size_t pool__count_texts(const char *const *texts);

/* Wipes and frees the copies. Fine on a zeroed or already finished struct. */
void pool__options_fini(struct pool__options *options);

/* Is this a plain host name, an IPv4 or an IPv6 address (brackets allowed)?
 * libmariadb gives other characters a meaning of its own: `;` and `=` set any
 * option, `,` makes a list, `://` loads a plugin. */
bool pool__host_is_valid(const char *host);

/* Refuses an environment that makes libmariadb load code of the caller's choice
 * into a set-uid program. `secure` is what getauxval(AT_SECURE) says. */
bool pool__environment_is_safe(bool secure, struct pool_error *err);

enum pool__option_kind {
    POOL__OPTION_TEXT,     /* const char * */
    POOL__OPTION_U32,      /* uint32_t or unsigned */
    POOL__OPTION_SIZE,     /* size_t */
    POOL__OPTION_FLAG,     /* bool, and "true" means true */
    POOL__OPTION_NOT_FLAG, /* bool, and "true" in a URL means false: waitForConnections */
    POOL__OPTION_CHOICE    /* an enum; `words` by value */
};

struct pool__option {
    const char *field; /* its name in struct pool_options */
    const char *name;  /* its name as a URL parameter; NULL if it cannot be one */
    enum pool__option_kind kind;
    size_t offset;            /* in struct pool_options */
    uint64_t fallback;        /* numbers: what zero stands for */
    uint64_t min;             /* numbers: the smallest one allowed; texts: 1 if not empty */
    uint64_t max;             /* numbers: the largest; texts: bytes at most */
    const char *word;         /* what UINT32_MAX is called: "never", "unlimited"; NULL: refused */
    const char *const *words; /* choices: what each value is called, NULL-terminated */
};

/* The table of all options that are a text, a number, a flag or a choice. */
const struct pool__option *pool__option_table(size_t *ret_count);

/* Where the option is kept inside `options`. */
void *pool__option_field(struct pool_options *options, const struct pool__option *option);

/* Numbers only. Range takes the word for UINT32_MAX into account. */
bool pool__option_in_range(const struct pool__option *option, uint64_t number);
void pool__option_set_number(struct pool_options *options, const struct pool__option *option,
                             uint64_t number);

#endif /* POOL_CONFIG_OPTIONS_H */
