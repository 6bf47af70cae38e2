/*
 * Where the placeholders of a statement are, and what stands around them: a list of values
 * may be padded, and may be empty, only as an element of IN (...). Offsets are bytes.
 * threads: any.
 */
#ifndef POOL_SQL_PLACEHOLDERS_H
#define POOL_SQL_PLACEHOLDERS_H

#include "sql/lexer.h"

#include <stdbool.h>
#include <stddef.h>

#define POOL__NOWHERE SIZE_MAX

/* What is written in the place of a placeholder. */
enum pool__fill {
    POOL__FILL_VALUES,  /* its value, or the values of its list */
    POOL__FILL_NO_ROWS, /* POOL__NO_ROWS, in the place of all elements of an IN (...) */
    POOL__FILL_NOTHING  /* it is left out, together with the comma at `cut` */
};

/* Nothing is IN that, and everything is NOT IN it, NULL included. */
#define POOL__NO_ROWS "SELECT NULL FROM DUAL WHERE FALSE"

/* One placeholder and the value that goes there. */
struct pool__placeholder {
    size_t start;
    size_t len;
    bool in_comment; /* inside an executable comment: no comment marks, please */
    size_t list;     /* the IN (...) of which it is an element, without more in it; or NOWHERE */
    size_t element;  /* which one; from 0 */
    size_t comma_before; /* of that element; or NOWHERE */
    size_t comma_after;
    const struct pool_value *value; /* see pool__give_values */
    enum pool__fill fill;
    size_t cut; /* of FILL_NOTHING */
};

/* The parentheses behind an IN. */
struct pool__in_list {
    size_t parent;   /* the IN (...) around it, or NOWHERE */
    size_t depth;    /* parentheses open inside of it */
    size_t elements; /* so far */
    size_t empty;    /* those with an empty list for a value, */
    size_t left_out; /* and how many of these have been dealt with */
    bool is_list;    /* it was closed, and is no subquery */
    bool is_split;   /* an executable comment begins or ends inside */
    /* While it is open: the element so far. */
    bool is_query;
    size_t tokens;
    size_t comma;    /* before it, or NOWHERE */
    bool in_comment; /* the parenthesis is */
    bool has_place;  /* its last token is the last place found */
};

struct pool__placeholders {
    struct pool__placeholder *places; /* in the order of the text */
    size_t count;
    size_t capacity;
    struct pool__in_list *lists; /* in the order of their parentheses */
    size_t list_count;
    size_t list_capacity;
    bool named;         /* they are :name */
    bool escaped_quote; /* see struct pool__lexer */
    size_t escaped_quote_at;
};

/* How much has to be known of the lists. */
enum pool__depth {
    POOL__DEPTH_PLACEHOLDERS, /* no value is a list: no IN (...) is looked for */
    POOL__DEPTH_LISTS,
    POOL__DEPTH_EMPTY /* some list is empty: readings have to agree in what is of use for that */
};
enum pool__depth pool__placeholders_depth(struct pool_args args);

/* Reads the text as a session with these quotes does. After a failure the places before the fault
 * are known. Free with pool__placeholders_free in either case. */
bool pool__placeholders_find(struct pool__placeholders *places, const char *sql, size_t len,
                             enum pool__quotes quotes, enum pool__depth depth,
                             struct pool_error *err);
void pool__placeholders_free(struct pool__placeholders *places);

/* Whether two readings have found the same places, values apart. */
bool pool__placeholders_agree(const struct pool__placeholders *a,
                              const struct pool__placeholders *b, enum pool__depth depth);

/* The text between `from` and `to`, which is before place number `at` or behind all of them,
 * is to be written up to here and without the byte here; `to` if there is nothing to leave
 * out. */
size_t pool__placeholders_next_cut(const struct pool__placeholders *places, size_t at, size_t from,
                                   size_t to);

/* Whether a value that is written into a place needs a blank between it and this neighbour, so that
 * the two do not become one token. Never behind a minus, where a blank could complete the start of
 * a comment. */
bool pool__placeholders_touch_before(char before);
bool pool__placeholders_touch_after(char after);

#endif
