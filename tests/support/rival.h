/*
 * Transactions that end otherwise than their holder thinks: what the suites about them share. An
 * account and a journal tell what has come to pass.
 *
 * The rival is the administrator's connection, on a thread of its own once it has its locks: as
 * soon as the holder waits for one of them it wants one of the holder's, and wins, because its
 * transaction is the bigger one. The pool is that of the fixture. Include cmocka.h first.
 */
#ifndef TESTS_RIVAL_H
#define TESTS_RIVAL_H

#include "calls.h"
#include "fixture.h"

#define BEFORE "INSERT INTO journal VALUES ('before')"
#define AFTER "INSERT INTO journal VALUES ('after')"
#define MINE "UPDATE account SET v = v + 1 WHERE id = 1"
#define THEIRS "UPDATE account SET v = v + 1 WHERE id = 2"

/* ---- the rival ---- */

void start_rival(void);
void join_rival(void);
void assert_journal(long before, long after);
void make_small_pool(struct pool_options wish);
void make_plain_pool(void);

/* A handle whose transaction has been lost. */
struct pool_conn lose(const char *begin);

void assert_lost(const struct pool_error *err, unsigned number);

/* ---- and an error ---- */

void make_procedure(const char *body);

/* ---- around each test ---- */

int set_up_rival(void **state);
int tear_down_rival(void **state);

#endif
