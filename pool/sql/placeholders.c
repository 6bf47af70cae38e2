/*
 * Finding placeholders, and the IN (...) around them.
 *
 * `x IN (1, 2, 2, 2)` selects what `x IN (1, 2)` does, and nowhere else can a value be
 * repeated without a meaning: so it must be certain that a placeholder is an element of IN.
 * It is if the parentheses stand behind the word IN (comments and line breaks do not
 * matter), are no subquery, and have the placeholder, and nothing but it, between commas.
 * `db.in(...)` is a function, and VALUES IN (...) defines a partition, with values that must
 * differ. What is inside an executable comment is taken for SQL, as everywhere; but IN in one
 * and its parentheses outside of it is a call of a function for a server that skips it.
 *
 * Elements are counted, and their commas remembered, for the sake of empty lists, which have
 * to go without leaving a comma behind: see give.c.
 */
#include "sql/placeholders.h"

#include "base/error.h"
#include "sql/words.h"

#include <stdlib.h>
#include <string.h>

static bool fail_memory(struct pool_error *err)
{
    return pool__fail(err, POOL_ERR_NOMEM, "out of memory for an SQL statement");
}

void pool__placeholders_free(struct pool__placeholders *places)
{
    free(places->places);
    free(places->lists);
    *places = (struct pool__placeholders){0};
}

/* Room for one more than `count`. */
static bool reserve(void **array, size_t count, size_t *capacity, size_t size,
                    struct pool_error *err)
{
    if (count < *capacity)
        return true;
    size_t more = *capacity ? *capacity * 2 : 16;
    void *grown = realloc(*array, more * size);
    if (!grown)
        return fail_memory(err);
    *array = grown;
    *capacity = more;
    return true;
}

static bool add_place(struct pool__placeholders *places, const struct pool__lexer *lexer,
                      const struct pool__token *token, struct pool_error *err)
{
    void *array = places->places;
    bool ok = reserve(&array, places->count, &places->capacity, sizeof *places->places, err);
    places->places = array;
    if (!ok)
        return false;
    places->places[places->count++] = (struct pool__placeholder){
        .start = (size_t)(token->text - lexer->sql),
        .len = token->len,
        .in_comment = lexer->in_comment,
        .list = POOL__NOWHERE,
        .comma_before = POOL__NOWHERE,
        .comma_after = POOL__NOWHERE,
        .cut = POOL__NOWHERE,
    };
    return true;
}

/* ---- what stands around them ---- */

/* How far the text has been read. */
struct finder {
    struct pool__placeholders *places;
    struct pool__lexer lexer;
    struct pool__token before;      /* the last token, */
    struct pool__token before_that; /* and the one before */
    bool before_in_comment;
    size_t depth; /* open parentheses */
    size_t list;  /* the innermost IN (...) that is open, or NOWHERE */
};

/* At an opening parenthesis. */
static bool is_behind_in(const struct finder *finder)
{
    return pool__words_is(&finder->before, "IN") &&
           !pool__words_is_sign(&finder->before_that, '.') &&
           !pool__words_is_sign(&finder->before_that, '@') &&
           !pool__words_is(&finder->before_that, "VALUES") &&
           (finder->lexer.in_comment || !finder->before_in_comment);
}

static bool open_list(struct finder *finder, struct pool_error *err)
{
    struct pool__placeholders *places = finder->places;
    void *array = places->lists;
    bool ok =
        reserve(&array, places->list_count, &places->list_capacity, sizeof *places->lists, err);
    places->lists = array;
    if (!ok)
        return false;
    places->lists[places->list_count] = (struct pool__in_list){
        .parent = finder->list,
        .depth = finder->depth,
        .comma = POOL__NOWHERE,
        .in_comment = finder->lexer.in_comment,
    };
    finder->list = places->list_count++;
    return true;
}

/* At a comma or the closing parenthesis of the list. */
static void end_element(struct finder *finder, struct pool__in_list *list, size_t comma)
{
    if (list->tokens == 1 && list->has_place) {
        struct pool__placeholder *place = &finder->places->places[finder->places->count - 1];
        place->list = finder->list;
        place->element = list->elements;
        place->comma_before = list->comma;
        place->comma_after = comma;
    }
    list->elements++;
    list->tokens = 0;
    list->has_place = false;
    list->comma = comma;
}

static void close_list(struct finder *finder, struct pool__in_list *list)
{
    end_element(finder, list, POOL__NOWHERE);
    list->is_list = !list->is_query;
    finder->list = list->parent;
    if (list->is_split && list->parent != POOL__NOWHERE)
        finder->places->lists[list->parent].is_split = true;
}

/* Inside of the innermost list, at whatever depth. */
static void take_into_list(struct finder *finder, const struct pool__token *token)
{
    static const char *const queries[] = {"SELECT", "WITH", "VALUES", "TABLE"};
    struct pool__in_list *list = &finder->places->lists[finder->list];
    if (finder->lexer.in_comment != list->in_comment)
        list->is_split = true;
    if (finder->depth == list->depth && pool__words_is_sign(token, ')')) {
        close_list(finder, list);
        return;
    }
    if (finder->depth == list->depth && pool__words_is_sign(token, ',')) {
        end_element(finder, list, (size_t)(token->text - finder->lexer.sql));
        return;
    }
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        if (list->elements == 0 && list->tokens == 0 && pool__words_is(token, queries[i]))
            list->is_query = true;
    list->tokens++;
    list->has_place = token->kind == POOL__TOKEN_PLACEHOLDER;
}

static bool follow(struct finder *finder, const struct pool__token *token, struct pool_error *err)
{
    if (pool__words_is_sign(token, ';')) { /* whatever is open never ends */
        finder->depth = 0;
        finder->list = POOL__NOWHERE;
    }
    if (finder->list != POOL__NOWHERE)
        take_into_list(finder, token);
    if (pool__words_is_sign(token, '(')) {
        finder->depth++;
        if (is_behind_in(finder) && !open_list(finder, err))
            return false;
    }
    if (pool__words_is_sign(token, ')') && finder->depth > 0)
        finder->depth--;
    finder->before_that = finder->before;
    finder->before = *token;
    finder->before_in_comment = finder->lexer.in_comment;
    return true;
}

enum pool__depth pool__placeholders_depth(struct pool_args args)
{
    enum pool__depth depth = POOL__DEPTH_PLACEHOLDERS;
    for (size_t i = 0; i < args.count; i++) {
        if (args.values[i].type != POOL_TYPE_LIST)
            continue;
        if (args.values[i].as.list.count == 0)
            return POOL__DEPTH_EMPTY;
        depth = POOL__DEPTH_LISTS;
    }
    return depth;
}

/* What was read of a subquery, or of parentheses that are never closed, is no list. */
static void drop_what_is_no_list(struct pool__placeholders *places)
{
    for (size_t i = 0; i < places->count; i++) {
        struct pool__placeholder *place = &places->places[i];
        if (place->list != POOL__NOWHERE && !places->lists[place->list].is_list)
            place->list = POOL__NOWHERE;
    }
}

bool pool__placeholders_find(struct pool__placeholders *places, const char *sql, size_t len,
                             enum pool__quotes quotes, enum pool__depth depth,
                             struct pool_error *err)
{
    struct finder finder = {.places = places, .list = POOL__NOWHERE};
    *places = (struct pool__placeholders){0};
    bool ok = pool__lexer_init_for(&finder.lexer, sql, len, quotes, err);
    struct pool__token token = {.kind = POOL__TOKEN_COMMENT_SQL};
    while (ok && token.kind != POOL__TOKEN_END) {
        ok = pool__lexer_next(&finder.lexer, &token, err);
        if (ok && token.kind == POOL__TOKEN_PLACEHOLDER)
            ok = add_place(places, &finder.lexer, &token, err);
        if (ok && depth != POOL__DEPTH_PLACEHOLDERS && token.kind != POOL__TOKEN_COMMENT_SQL)
            ok = follow(&finder, &token, err);
    }
    drop_what_is_no_list(places);
    places->named = finder.lexer.named;
    places->escaped_quote = finder.lexer.escaped_quote;
    places->escaped_quote_at = finder.lexer.escaped_quote_at;
    return ok;
}

static bool same_place(const struct pool__placeholder *a, const struct pool__placeholder *b)
{
    return a->start == b->start && a->len == b->len && a->in_comment == b->in_comment &&
           (a->list == POOL__NOWHERE) == (b->list == POOL__NOWHERE);
}

static bool same_element(const struct pool__placeholder *a, const struct pool__placeholder *b)
{
    return a->list == b->list && a->element == b->element && a->comma_before == b->comma_before &&
           a->comma_after == b->comma_after;
}

static bool same_list(const struct pool__in_list *a, const struct pool__in_list *b)
{
    return a->elements == b->elements && a->is_list == b->is_list && a->is_split == b->is_split;
}

bool pool__placeholders_agree(const struct pool__placeholders *a,
                              const struct pool__placeholders *b, enum pool__depth depth)
{
    bool exactly = depth == POOL__DEPTH_EMPTY;
    if (a->count != b->count || (exactly && a->list_count != b->list_count))
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_place(&a->places[i], &b->places[i]) ||
            (exactly && !same_element(&a->places[i], &b->places[i])))
            return false;
    for (size_t i = 0; exactly && i < a->list_count; i++)
        if (!same_list(&a->lists[i], &b->lists[i]))
            return false;
    return true;
}

/* ---- writing ---- */

size_t pool__placeholders_next_cut(const struct pool__placeholders *places, size_t at, size_t from,
                                   size_t to)
{
    size_t cut = to;
    if (at > 0 && places->places[at - 1].cut >= from && places->places[at - 1].cut < cut)
        cut = places->places[at - 1].cut;
    if (at < places->count && places->places[at].cut >= from && places->places[at].cut < cut)
        cut = places->places[at].cut;
    return cut;
}

bool pool__placeholders_touch_before(char before)
{
    return !strchr(" \t\n\v\f\r(,=<>+*-", before);
}

bool pool__placeholders_touch_after(char after)
{
    return !strchr(" \t\n\v\f\r),;=<>", after);
}
