/*
 * The parts of poolbench and how they fit together.
 *
 *     main     reads the arguments into a struct config
 *     table    fills the table, looks at the query         (libmariadb)
 *     run      starts callers, measures one mode once
 *     compare  runs several modes in turn, takes medians
 *     report   prints outcomes as a table or as JSON
 *
 *     pool, cycle, async  modes that use mypool, and only its public header
 *     raw, connect        modes that use libmariadb directly, through `server`
 *     batch               modes that insert many rows, of both kinds
 *
 * A mode says what one operation is; `run` says when and how often. Modes are
 * constant; all that changes during a run is in struct caller, one per thread.
 */
#ifndef POOLBENCH_BENCH_H
#define POOLBENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "failures.h"
#include "histogram.h"
#include <mypool.h>

#define BENCH_ROWS 100000u /* ids 1 to BENCH_ROWS are in the table */
#define BENCH_MODES 8u     /* modes in one comparison at most */
#define BENCH_ROUNDS 99u

/* What the user asked for. Constant while callers run. */
struct config {
    struct pool_options options; /* from the URL */
    void *options_memory;        /* what the strings in it point into */
    unsigned callers;            /* 1 to 1024 */
    unsigned connections;        /* 1 to 1024 */
    unsigned in_flight;          /* 1 to 100000; as callers unless it is given */
    unsigned rows;               /* of one batch */
    double seconds;              /* of one measurement, without warm-up */
    const char *query;
    bool default_query; /* its rows are checked */
    bool takes_key;     /* the query has a placeholder */
    bool json;
    bool comparing;
    const struct mode *modes[BENCH_MODES]; /* one unless comparing */
    unsigned mode_count;
    unsigned rounds;
};

/* One thread of a run. Belongs to that thread until it has been joined. */
struct caller {
    const struct config *config;
    void *shared;    /* what mode->open returned; shared by all callers */
    void *own;       /* what mode->caller_open returned */
    uint64_t random; /* state of the generator of keys */
    bool measuring;  /* false during warm-up, when nothing is counted */
    uint64_t operations;
    uint64_t first_ns; /* the start of the first operation that counts, */
    uint64_t last_ns;  /* and the end of the last one; 0: none yet */
    struct failures failures;
    struct histogram latency;
};

/* One way to get a row. Functions that return bool or NULL fill in `problem` on
 * failure. Those that may be NULL say so. */
struct mode {
    const char *name;
    bool timed;                     /* false: an operation is too short for reading a clock */
    bool uses_query;                /* false: the table is not needed */
    bool one_caller_per_connection; /* callers is as connections */
    bool one_connection_per_caller; /* connections is as callers */
    bool one_caller;   /* with in_flight operations at once, which are its callers in reports */
    bool times_itself; /* the operation fills in the latencies */
    /* Once per run, before the callers; may be NULL, as may `close`. */
    bool (*open)(const struct config *config, void **ret_shared, struct problem *problem);
    void (*close)(void *shared);
    /* Once per caller, on its thread; may be NULL, as may `caller_close`, which is not
     * called if caller_open failed. */
    bool (*caller_open)(struct caller *caller, struct problem *problem);
    void (*caller_close)(struct caller *caller);
    /* Returns how many operations succeeded: 0 or 1, more if `run` does not time them, or
     * takes the time of many at once.
     * Failures are reported by caller_failed. */
    unsigned (*operation)(struct caller *caller);
};

extern const struct mode mode_pool, mode_raw, mode_connect, mode_cycle, mode_async;
extern const struct mode mode_batch, mode_rawbatch, mode_onebyone;

/* What one run measured, or the medians of several. Times are microseconds. */
struct outcome {
    const struct mode *mode;
    unsigned callers; /* that took part */
    unsigned connections;
    double seconds;
    double operations; /* that succeeded */
    double per_second;
    double p50, p90, p99, p999, max;
    double cpu_per_operation; /* of the whole process; 0 if nothing succeeded */
    double ratio;             /* of per_second to the first mode's */
    double slowest, fastest;  /* per_second over all rounds */
    struct failures failures; /* of all rounds */
};

/* Measures one mode once. */
bool run_mode(const struct config *config, const struct mode *mode, struct outcome *ret_outcome,
              struct problem *problem);

/* For modes: a random key from 1 to BENCH_ROWS. */
int64_t caller_key(struct caller *caller);
/* For modes: counts a failed operation. */
void caller_failed(struct caller *caller, const struct problem *problem);
/* For modes: is this the row that was asked for? Fills in `problem` if not. */
bool row_is_right(int64_t key, int64_t id, const char *name, struct problem *problem);

/* Runs all modes, `rounds` times each, and stores one outcome for each mode. */
bool compare_modes(const struct config *config, struct outcome *outcomes, struct problem *problem);

/* Makes the table that the query needs, and finds out whether the query takes a
 * key. A wrong query sets *ret_bad_query. */
bool table_prepare(struct config *config, bool *ret_bad_query, struct problem *problem);

void report_json(const struct config *config, const struct outcome *outcomes);
void report_table(const struct config *config, const struct outcome *outcomes);
void report_failures(const struct config *config, const struct outcome *outcomes);

#endif
