/*
 * Several modes in turn, several times, and the medians.
 *
 * The modes alternate within each round, so what disturbs the machine for a
 * while disturbs all of them. Each figure of an outcome is the median of that
 * figure over the rounds, which one bad round cannot move; failures are added
 * up, as none may be lost. A single mode is a comparison of one round.
 */
#include "bench.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* The figures that get a median. */
/* clang-format off */
static const size_t figures[] = {
    offsetof(struct outcome, seconds),   offsetof(struct outcome, operations),
    offsetof(struct outcome, per_second), offsetof(struct outcome, p50),
    offsetof(struct outcome, p90),       offsetof(struct outcome, p99),
    offsetof(struct outcome, p999),      offsetof(struct outcome, max),
    offsetof(struct outcome, cpu_per_operation),
};
/* clang-format on */

static double *figure(struct outcome *outcome, size_t offset)
{
    return (double *)((char *)outcome + offset);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof(*values), by_value);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* The rounds of one mode are `stride` apart. */
static struct outcome summarise(struct outcome *rounds, unsigned count, size_t stride)
{
    struct outcome summary = rounds[0];
    double values[BENCH_ROUNDS];

    for (unsigned f = 0; f < sizeof(figures) / sizeof(*figures); f++) {
        for (unsigned r = 0; r < count; r++)
            values[r] = *figure(&rounds[r * stride], figures[f]);
        *figure(&summary, figures[f]) = median(values, count);
    }
    for (unsigned r = 1; r < count; r++) {
        struct outcome *round = &rounds[r * stride];

        summary.slowest = round->slowest < summary.slowest ? round->slowest : summary.slowest;
        summary.fastest = round->fastest > summary.fastest ? round->fastest : summary.fastest;
        failures_merge(&summary.failures, &round->failures);
    }
    return summary;
}

static bool run_rounds(const struct config *config, struct outcome *rounds, struct problem *problem)
{
    for (unsigned r = 0; r < config->rounds; r++) {
        for (unsigned m = 0; m < config->mode_count; m++) {
            const struct mode *mode = config->modes[m];

            if (!run_mode(config, mode, &rounds[r * config->mode_count + m], problem)) {
                fprintf(stderr, "poolbench: mode '%s', round %u:\n", mode->name, r + 1);
                return false;
            }
        }
    }
    return true;
}

bool compare_modes(const struct config *config, struct outcome *outcomes, struct problem *problem)
{
    struct outcome *rounds =
        calloc((size_t)config->rounds * config->mode_count, sizeof(struct outcome));
    bool ok;

    if (!rounds) {
        problem_set(problem, "memory", "out of memory for %u rounds", config->rounds);
        return false;
    }
    ok = run_rounds(config, rounds, problem);
    for (unsigned m = 0; ok && m < config->mode_count; m++) {
        outcomes[m] = summarise(&rounds[m], config->rounds, config->mode_count);
        if (outcomes[0].per_second > 0)
            outcomes[m].ratio = outcomes[m].per_second / outcomes[0].per_second;
    }
    free(rounds);
    return ok;
}
