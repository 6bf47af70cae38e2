/*
 * What the suites about statements share: pools of one connection, so that statements follow each
 * other on it, which are closed after the test; and what a statement answers.
 *
 * Counters of the server are read from information_schema by a text statement: that prepares
 * nothing, and leaves the session clean, unlike SHOW. Include cmocka.h first.
 */
#ifndef TESTS_STATEMENTS_H
#define TESTS_STATEMENTS_H

#include <mypool.h>
#include <stdint.h>

/* ---- pools ---- */

extern struct pool *pools[8]; /* of this test; closed after it */

struct pool *open_pool(const char *parameters);
struct pool_result *query(struct pool *pool, const char *sql, struct pool_args args);
struct pool_result *query_as_text(struct pool *pool, const char *sql, struct pool_args args);
void run_as_text(struct pool *pool, const char *sql);
void set_global(const char *assignment);
int set_up_statements(void **state);
int tear_down_statements(void **state);
int tear_down_server_globals(void **state);

/* ---- answers ---- */

int64_t first_int(struct pool_result *result);
int64_t int_of(struct pool *pool, const char *sql, struct pool_args args);
int64_t status_of(struct pool *pool, const char *scope, const char *name);
int64_t prepares(struct pool *pool);

/* Statements of all kinds that the session has received, this question included. */
int64_t questions(struct pool *pool);

int64_t thread_of(struct pool *pool);

/* The statement must fail with this code; the rest is for the test to judge. */
struct pool_error failure_of(struct pool *pool, const struct pool_request *request,
                             enum pool_code code);

void assert_statement_refused(struct pool *pool, const char *sql, struct pool_args args,
                              const char *part_of_message);
void assert_pool_works(struct pool *pool);

#endif
