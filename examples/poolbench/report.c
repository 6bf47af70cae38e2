/*
 * Outcomes for people and for programs.
 *
 * The table and the JSON go to standard output, failures to standard error, so
 * that a pipe gets nothing but JSON. The JSON holds numbers and the names of
 * modes only; nothing in it needs escaping. It is written in the C locale, as
 * the program never sets another.
 */
#include "bench.h"

#include <stdio.h>

static void print_latency_json(const struct outcome *outcome)
{
    printf("\"latency_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f,"
           " \"max\": %.1f}",
           outcome->p50, outcome->p90, outcome->p99, outcome->p999, outcome->max);
}

static void print_outcome_json(const struct config *config, const struct outcome *outcome)
{
    printf("{\"mode\": \"%s\", \"callers\": %u, \"connections\": %u, \"seconds\": %.3f,"
           " \"operations\": %.0f, \"errors\": %llu, \"per_second\": %.1f, ",
           outcome->mode->name, outcome->callers, outcome->connections, outcome->seconds,
           outcome->operations, (unsigned long long)failures_total(&outcome->failures),
           outcome->per_second);
    print_latency_json(outcome);
    printf(", \"cpu_us_per_operation\": %.4f", outcome->cpu_per_operation);
    if (config->comparing)
        printf(", \"ratio\": %.4f, \"rounds\": %u", outcome->ratio, config->rounds);
    printf("}");
}

void report_json(const struct config *config, const struct outcome *outcomes)
{
    if (!config->comparing) {
        print_outcome_json(config, outcomes);
        printf("\n");
        return;
    }
    for (unsigned m = 0; m < config->mode_count; m++) {
        printf(m == 0 ? "[" : ",\n ");
        print_outcome_json(config, &outcomes[m]);
    }
    printf("]\n");
}

static void print_heading(const struct config *config)
{
    printf("%.3g s of measurement", config->seconds);
    if (config->comparing)
        printf(", medians of %u round%s", config->rounds, config->rounds == 1 ? "" : "s");
    printf("; latencies and CPU time in microseconds\n\n");
    printf("%-8s %7s %6s %9s %7s %11s %9s %9s %9s %9s %9s %8s", "mode", "callers", "conns",
           "succeeded", "failed", "per second", "p50", "p90", "p99", "p99.9", "max", "CPU/op");
    if (config->comparing)
        printf(" %7s %19s", "ratio", "lowest - highest/s");
    printf("\n");
}

static void print_row(const struct config *config, const struct outcome *outcome)
{
    printf("%-8s %7u %6u %9.0f %7llu %11.0f ", outcome->mode->name, outcome->callers,
           outcome->connections, outcome->operations,
           (unsigned long long)failures_total(&outcome->failures), outcome->per_second);
    if (outcome->mode->timed)
        printf("%9.0f %9.0f %9.0f %9.0f %9.0f", outcome->p50, outcome->p90, outcome->p99,
               outcome->p999, outcome->max);
    else
        printf("%9s %9s %9s %9s %9s", "-", "-", "-", "-", "-");
    printf(" %8.*f", outcome->cpu_per_operation < 1 ? 3 : 1, outcome->cpu_per_operation);
    if (config->comparing)
        printf(" %7.3f %9.0f -%8.0f", outcome->ratio, outcome->slowest, outcome->fastest);
    printf("\n");
}

void report_table(const struct config *config, const struct outcome *outcomes)
{
    print_heading(config);
    for (unsigned m = 0; m < config->mode_count; m++)
        print_row(config, &outcomes[m]);
}

void report_failures(const struct config *config, const struct outcome *outcomes)
{
    for (unsigned m = 0; m < config->mode_count; m++) {
        const struct failure_class *class = outcomes[m].failures.classes;

        for (unsigned i = 0; i < outcomes[m].failures.used; i++, class ++)
            fprintf(stderr, "%s: %llu failed with %s; the first: %s\n", outcomes[m].mode->name,
                    (unsigned long long)class->count, class->first.class, class->first.message);
    }
}
