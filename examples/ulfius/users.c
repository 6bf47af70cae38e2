/*
 * The routes: users as JSON, and two questions of whoever runs the service.
 *
 * Each handler runs on the thread of its HTTP connection, asks the pool and waits.
 * What a client sends is checked before it reaches the database, and goes there
 * as a value, never as SQL. What the database says about an error goes to the
 * log, never to the client.
 */
#include "users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX 4096 /* bytes */
#define TEXT_MAX 100  /* characters; the size of the columns */

/* ---- Answers. ---- */

/* No body means that it could not be made. */
static int answer(struct _u_response *response, unsigned status, json_t *body)
{
    if (body)
        ulfius_set_json_body_response(response, status, body);
    else
        ulfius_set_empty_body_response(response, 500);
    json_decref(body);
    return U_CALLBACK_COMPLETE;
}

static int refuse(struct _u_response *response, unsigned status, const char *why)
{
    return answer(response, status, json_pack("{s:s}", "error", why));
}

static int fail(struct _u_response *response, const struct pool_error *err)
{
    fprintf(stderr, "ulfius-server: %s: %s\n", pool_code_name(err->code), err->message);
    if (err->code == POOL_ERR_SERVER || err->code == POOL_ERR_INVALID)
        return refuse(response, 500, "internal error");
    return refuse(response, 503, "database unavailable");
}

static json_t *user_json(struct pool_result *row)
{
    const char *name, *city;
    int64_t id;

    if (!POOL_SCAN(row, &id, &name, &city))
        return NULL;
    return json_pack("{s:I, s:s, s:s}", "id", (json_int_t)id, "name", name, "city", city);
}

static json_t *users_json(struct pool_result *rows)
{
    json_t *users = json_array();

    while (pool_next(rows)) {
        if (json_array_append_new(users, user_json(rows)) != 0) {
            json_decref(users);
            return NULL;
        }
    }
    return users;
}

/* ---- Questions. ---- */

/* An id as the table has it: digits only, 32 bits. */
static bool read_id(const char *text, uint32_t *ret_id)
{
    size_t digits = text ? strspn(text, "0123456789") : 0;
    unsigned long long id;

    if (digits == 0 || digits > 10 || text[digits] != '\0')
        return false;
    id = strtoull(text, NULL, 10);
    *ret_id = (uint32_t)id;
    return id <= UINT32_MAX;
}

/* The columns count characters; in UTF-8 each has one byte that is not 10xxxxxx. */
static const char *text_member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    size_t characters = 0;

    for (const char *byte = text; byte && *byte; byte++)
        characters += ((unsigned char)*byte & 0xc0) != 0x80;
    return characters >= 1 && characters <= TEXT_MAX ? text : NULL;
}

/* ---- Routes. ---- */

static int list_users(const struct _u_request *request, struct _u_response *response, void *pool)
{
    const char *after_text = u_map_get(request->map_url, "after");
    struct pool_error err;
    struct pool_result *rows;
    json_t *users;
    uint32_t after = 0;

    if (after_text && !read_id(after_text, &after))
        return refuse(response, 400, "after must be the id of a user");
    rows = pool_query(pool, "SELECT id, name, city FROM users WHERE id > ? ORDER BY id LIMIT 100",
                      POOL_ARGS(after), &err);
    if (!rows)
        return fail(response, &err);
    users = users_json(rows);
    pool_result_free(rows);
    return answer(response, 200, users);
}

static int show_user(const struct _u_request *request, struct _u_response *response, void *pool)
{
    struct pool_error err;
    struct pool_result *rows;
    json_t *user;
    uint32_t id;

    if (!read_id(u_map_get(request->map_url, "id"), &id))
        return refuse(response, 400, "the id must be a number");
    rows = pool_query(pool, "SELECT id, name, city FROM users WHERE id = ?", POOL_ARGS(id), &err);
    if (!rows)
        return fail(response, &err);
    user = pool_next(rows) ? user_json(rows) : NULL;
    pool_result_free(rows);
    return user ? answer(response, 200, user) : refuse(response, 404, "no such user");
}

static int insert_user(struct pool *pool, const char *name, const char *city,
                       struct _u_response *response)
{
    struct pool_error err;
    struct pool_result *result = pool_query(pool, "INSERT INTO users (name, city) VALUES (?, ?)",
                                            POOL_ARGS(name, city), &err);
    uint64_t id;

    if (!result)
        return fail(response, &err);
    id = pool_insert_id(result);
    pool_result_free(result);
    return answer(response, 201, json_pack("{s:I}", "id", (json_int_t)id));
}

static int create_user(const struct _u_request *request, struct _u_response *response, void *pool)
{
    const char *name, *city;
    json_t *body;
    int status;

    /* ulfius keeps one byte more than we accept, so that too much can be seen. */
    if (request->binary_body_length > BODY_MAX)
        return refuse(response, 413, "the body is too large");
    body = ulfius_get_json_body_request(request, NULL);
    name = text_member(body, "name");
    city = text_member(body, "city");
    if (name && city)
        status = insert_user(pool, name, city, response);
    else
        status = refuse(response, 400, "name and city must be texts of 1 to 100 characters");
    json_decref(body);
    return status;
}

static int be_alive(const struct _u_request *request, struct _u_response *response, void *pool)
{
    (void)request;
    (void)pool;
    return answer(response, 200, json_pack("{s:s}", "status", "alive"));
}

static int be_ready(const struct _u_request *request, struct _u_response *response, void *pool)
{
    struct pool_error err;

    (void)request;
    if (!pool_ping(pool, &err))
        return fail(response, &err);
    return answer(response, 200, json_pack("{s:s}", "status", "ready"));
}

static int not_found(const struct _u_request *request, struct _u_response *response, void *pool)
{
    (void)request;
    (void)pool;
    return refuse(response, 404, "no such route");
}

void users_add_routes(struct _u_instance *http, struct pool *pool)
{
    http->max_post_body_size = http->max_post_param_size = BODY_MAX + 1;
    ulfius_add_endpoint_by_val(http, "GET", "/users", NULL, 0, list_users, pool);
    ulfius_add_endpoint_by_val(http, "GET", "/users", "/:id", 0, show_user, pool);
    ulfius_add_endpoint_by_val(http, "POST", "/users", NULL, 0, create_user, pool);
    ulfius_add_endpoint_by_val(http, "GET", "/healthz", NULL, 0, be_alive, pool);
    ulfius_add_endpoint_by_val(http, "GET", "/readyz", NULL, 0, be_ready, pool);
    ulfius_set_default_endpoint(http, not_found, pool);
}
