/*
 * What the suites about pool_batch share: many values, batches that succeed and that fail, and what
 * is in the table afterwards. The pool and the administrator are those of the fixture.
 *
 * The server of MYPOOL_URL takes rows in bulk. Where a test wants one that does not, it
 * lets the library believe so (`no_bulk`), forbids preparing, or uses a statement that the
 * server refuses in bulk; what comes out must be the same. Include cmocka.h first.
 */
#ifndef TESTS_BATCHES_H
#define TESTS_BATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"

#define MANY 100000
#define SOME 2500 /* more than one chunk of rows that go one by one */

extern _Atomic bool no_bulk;

/* ---- values ---- */

struct pool_value *new_values(size_t count);

/* Rows of (first, 0), (first + 1, 1), ... */
struct pool_value *new_pairs(int first, size_t rows);

/* ---- calls ---- */

extern const char insert[];

void make_pairs_table(void);
void need(struct pool_result *result, const struct pool_error *err);
uint64_t batch(const char *sql, const struct pool_value *values, size_t rows, size_t columns);

/* A batch that fails. */
struct pool_error failure_of_batch(const struct pool_batch_request *request);

struct pool_batch_request pairs_request(struct pool_value *values, size_t rows);
void assert_says(const struct pool_error *err, enum pool_code code, const char *part);
void assert_sum(const char *sql, long sum);
void make_small_packet_pool(void);

/* ---- many ---- */

struct progress {
    unsigned calls;
    size_t last;
    unsigned stop_at; /* call; 0: never */
    bool in_order;
};

bool on_progress(size_t done, size_t rows, void *arg);

/* ---- failures in the middle ---- */

/* The row of this number has the key of the first. */
struct pool_error fail_in_the_middle(const char *sql, size_t row, bool atomic);

/* ---- one by one ---- */

void fill_and_check(void);

/* ---- with a callback ---- */

struct answer {
    _Atomic unsigned calls;
    enum pool_code code;
    uint64_t affected;
    char message[512];
};

void on_answer(const struct pool_error *err, struct pool_result *result, void *arg);
void run_async(const struct pool_batch_request *request, struct answer *answer,
               struct pool_call *ret_call);

/* before and after each test */

int set_up_batch(void **state);
int tear_down_batch(void **state);

#endif
