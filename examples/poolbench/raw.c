/*
 * The mode `raw`: libmariadb alone, the fastest that a pool could be.
 *
 * Each thread has a private connection with the query prepared on it, so there
 * is nothing to borrow, to return or to share. There are as many threads as
 * connections. After an error the connection is opened anew, as part of the next
 * operation.
 */
#include "server.h"

#include <stdlib.h>

struct own {
    MYSQL *mysql; /* NULL after an error */
    struct query query;
};

static void own_disconnect(struct own *own)
{
    if (!own->mysql)
        return;
    query_close(&own->query);
    mysql_close(own->mysql);
    own->mysql = NULL;
}

static bool own_connect(struct own *own, const struct config *config, struct problem *problem)
{
    own->mysql = server_connect(&config->options, problem);
    if (!own->mysql)
        return false;
    if (query_open(&own->query, own->mysql, config, problem))
        return true;
    mysql_close(own->mysql);
    own->mysql = NULL;
    return false;
}

static bool raw_caller_open(struct caller *caller, struct problem *problem)
{
    struct own *own = calloc(1, sizeof(*own));

    if (!own) {
        problem_set(problem, "memory", "out of memory for a caller");
        return false;
    }
    if (!own_connect(own, caller->config, problem)) {
        free(own);
        return false;
    }
    caller->own = own;
    return true;
}

static void raw_caller_close(struct caller *caller)
{
    own_disconnect(caller->own);
    free(caller->own);
}

static unsigned raw_operation(struct caller *caller)
{
    struct own *own = caller->own;
    struct problem problem;

    if ((own->mysql || own_connect(own, caller->config, &problem)) &&
        query_run(&own->query, caller_key(caller), &problem))
        return 1;
    own_disconnect(own);
    caller_failed(caller, &problem);
    return 0;
}

const struct mode mode_raw = {
    .name = "raw",
    .timed = true,
    .uses_query = true,
    .one_caller_per_connection = true,
    .caller_open = raw_caller_open,
    .caller_close = raw_caller_close,
    .operation = raw_operation,
};
