/*
 * The mode `connect`: a new connection for each query, the slowest way.
 *
 * It connects, prepares, executes, reads the row and disconnects, by libmariadb
 * alone. Each connection leaves a local port behind for a minute (TIME_WAIT);
 * when they run out the operations fail, which is then seen in the list of
 * errors and is part of the lesson.
 */
#include "server.h"

static bool connect_and_query(struct caller *caller, struct problem *problem)
{
    const struct config *config = caller->config;
    MYSQL *mysql = server_connect(&config->options, problem);
    struct query query;
    bool ok = false;

    if (!mysql)
        return false;
    if (query_open(&query, mysql, config, problem)) {
        ok = query_run(&query, caller_key(caller), problem);
        query_close(&query);
    }
    mysql_close(mysql);
    return ok;
}

static unsigned connect_operation(struct caller *caller)
{
    struct problem problem;

    if (connect_and_query(caller, &problem))
        return 1;
    caller_failed(caller, &problem);
    return 0;
}

const struct mode mode_connect = {
    .name = "connect",
    .one_connection_per_caller = true,
    .timed = true,
    .uses_query = true,
    .operation = connect_operation,
};
