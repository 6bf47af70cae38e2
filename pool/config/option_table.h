/*
 * The table of the options. See option_table.c. No state; any thread.
 */
#ifndef POOL_CONFIG_OPTION_TABLE_H
#define POOL_CONFIG_OPTION_TABLE_H

#include "mypool.h"

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
void *pool__option_table_field(struct pool_options *options, const struct pool__option *option);

/* Texts only: where it is kept. */
const char **pool__option_table_text(struct pool_options *options,
                                     const struct pool__option *option);

/* Numbers only. Range takes the word for UINT32_MAX into account. */
bool pool__option_table_in_range(const struct pool__option *option, uint64_t number);
void pool__option_table_set_number(struct pool_options *options, const struct pool__option *option,
                                   uint64_t number);

/* What a mode is called in a URL. */
const char *pool__option_table_tls_word(enum pool_tls_mode tls);

#endif
