/*
 * libmariadb, as a careful program would use it without a pool.
 *
 * Shared by the modes `raw` and `connect` and by the preparation of the table.
 * Nothing here is thread-safe across one connection; each thread has its own.
 */
#ifndef POOLBENCH_SERVER_H
#define POOLBENCH_SERVER_H

#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench.h"

/* Connects with the address, user and TLS settings of the URL. NULL on failure. */
MYSQL *server_connect(const struct pool_options *options, struct problem *problem);

/* Fills in a problem from the last error of a connection or statement. */
void server_problem(MYSQL *mysql, struct problem *problem);
void server_statement_problem(MYSQL_STMT *stmt, struct problem *problem);

/* The query of the configuration, prepared on one connection. The binds point
 * into the struct, which therefore must not move. */
struct query {
    MYSQL_STMT *stmt;
    bool checked; /* rows have the columns below */
    int64_t key;
    int64_t id;
    char name[65];
    double v;
};

bool query_open(struct query *query, MYSQL *mysql, const struct config *config,
                struct problem *problem);
void query_close(struct query *query);
/* Executes, reads all rows and checks the first if they are checked. */
bool query_run(struct query *query, int64_t key, struct problem *problem);

#endif
