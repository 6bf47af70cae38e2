/*
 * poolbench: how many queries per second do N callers get through M connections?
 *
 * This file reads the arguments; bench.h tells what the other files do. Wrong
 * arguments are refused by name and value, before anything is sent to a server.
 *
 * Exit status: 0 measured; 1 nothing could be measured, no operation of some
 * mode succeeded, or a wrong row was seen; 2 wrong usage.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_QUERY "SELECT id, name, v FROM poolbench WHERE id = ?"

static const char help[] =
    "usage: poolbench [OPTIONS]\n"
    "\n"
    "Measures queries per second, latency and CPU time of the client.\n"
    "\n"
    "  --url URL          mysql://user:password@host:port/database?option=value...\n"
    "                     default: the environment variable MYPOOL_URL\n"
    "  --mode MODE        pool     mypool: callers share the connections (the default)\n"
    "                     raw      libmariadb: one thread and private connection each\n"
    "                     connect  libmariadb: a new connection for each query\n"
    "                     cycle    mypool: borrow and return without a query\n"
    "                     async    mypool: one thread, --in-flight calls with callbacks\n"
    "                     batch    mypool: pool_batch of --rows rows of four columns\n"
    "                     rawbatch libmariadb: the same with array binding\n"
    "                     onebyone mypool: the same, a row at a time\n"
    "  --compare M,M,...  several modes in turn; medians, and ratios to the first\n"
    "  --rounds R         of a comparison; 1 to 99, default 3\n"
    "  --callers N        threads that call; 1 to 1024, default 64 (raw: --connections)\n"
    "  --in-flight N      calls at once of async; 1 to 100000, default: --callers\n"
    "  --connections N    1 to 1024, default 8 (connect: one per caller)\n"
    "  --rows N           of a batch; 1 to 1000000, default 10000; a row is an operation\n"
    "  --seconds S        of each measurement, after 0.3 s of warm-up; default 5\n"
    "  --query SQL        a SELECT with no placeholder, or one `?` for a random number from\n"
    "                     1 to 100000; default: " DEFAULT_QUERY ",\n"
    "                     whose rows are checked. The table is made if the query names it.\n"
    "  --json             an object, or with --compare an array of objects\n"
    "  --help             this text\n"
    "\n"
    "Operations are those that succeeded; latencies are theirs. Errors are counted, in a\n"
    "comparison over all rounds, and listed on standard error.\n";

/* clang-format off */
enum { OPT_URL = 1, OPT_MODE, OPT_COMPARE, OPT_ROUNDS, OPT_CALLERS, OPT_CONNECTIONS, OPT_SECONDS,
       OPT_QUERY, OPT_JSON, OPT_HELP, OPT_IN_FLIGHT, OPT_ROWS };
/* clang-format on */

static const struct option options[] = {
    {"url", required_argument, NULL, OPT_URL},
    {"mode", required_argument, NULL, OPT_MODE},
    {"compare", required_argument, NULL, OPT_COMPARE},
    {"rounds", required_argument, NULL, OPT_ROUNDS},
    {"callers", required_argument, NULL, OPT_CALLERS},
    {"in-flight", required_argument, NULL, OPT_IN_FLIGHT},
    {"connections", required_argument, NULL, OPT_CONNECTIONS},
    {"rows", required_argument, NULL, OPT_ROWS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"query", required_argument, NULL, OPT_QUERY},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* The arguments as they were written, for what can be judged only together. */
struct arguments {
    const char *url;
    const char *mode;
    const char *compare;
    const char *rounds;
};

static bool refuse(const char *option, const char *what, const char *value)
{
    fprintf(stderr, "poolbench: %s must be %s, not '%s'\n", option, what, value);
    return false;
}

static bool read_count(const char *option, const char *text, unsigned largest, unsigned *ret_count)
{
    char what[64];
    char *end;
    unsigned long count;

    errno = 0;
    count = strtoul(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && count >= 1 &&
        count <= largest) {
        *ret_count = (unsigned)count;
        return true;
    }
    snprintf(what, sizeof(what), "a number from 1 to %u", largest);
    return refuse(option, what, text);
}

static bool read_seconds(const char *text, double *ret_seconds)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds >= 0.01 && seconds <= 3600))
        return refuse("--seconds", "a number from 0.01 to 3600", text);
    *ret_seconds = seconds;
    return true;
}

static const struct mode *find_mode(const char *name, size_t length)
{
    static const struct mode *const modes[] = {
        &mode_pool,  &mode_raw,   &mode_connect,  &mode_cycle,
        &mode_async, &mode_batch, &mode_rawbatch, &mode_onebyone,
    };

    for (unsigned i = 0; i < sizeof(modes) / sizeof(*modes); i++)
        if (strlen(modes[i]->name) == length && strncmp(modes[i]->name, name, length) == 0)
            return modes[i];
    return NULL;
}

/* Reads "raw,pool,connect". A mode may come twice: that shows the noise. */
static bool read_modes(const char *option, const char *text, unsigned most, struct config *config)
{
    const char *name = text;

    config->mode_count = 0;
    for (;;) {
        size_t length = strcspn(name, ",");
        const struct mode *mode = find_mode(name, length);

        if (!mode || config->mode_count == most)
            return refuse(option,
                          most == 1 ? "the name of a mode (see --help)"
                                    : "up to 8 names of modes (see --help)",
                          text);
        config->modes[config->mode_count++] = mode;
        if (name[length] == '\0')
            return true;
        name += length + 1;
    }
}

static bool read_option(int option, const char *value, struct config *config,
                        struct arguments *arguments)
{
    switch (option) {
    case OPT_URL: arguments->url = value; return true;
    case OPT_MODE: arguments->mode = value; return true;
    case OPT_COMPARE: arguments->compare = value; return true;
    case OPT_ROUNDS: arguments->rounds = value; return true;
    case OPT_QUERY: config->query = value; return true;
    case OPT_JSON: config->json = true; return true;
    case OPT_CALLERS: return read_count("--callers", value, 1024, &config->callers);
    case OPT_IN_FLIGHT: return read_count("--in-flight", value, 100000, &config->in_flight);
    case OPT_CONNECTIONS: return read_count("--connections", value, 1024, &config->connections);
    case OPT_ROWS: return read_count("--rows", value, 1000000, &config->rows);
    case OPT_SECONDS: return read_seconds(value, &config->seconds);
    default: return false; /* getopt_long has told why */
    }
}

static bool read_what_to_run(const struct arguments *arguments, struct config *config)
{
    if (arguments->compare && arguments->mode) {
        fprintf(stderr, "poolbench: --mode '%s' and --compare '%s' exclude each other\n",
                arguments->mode, arguments->compare);
        return false;
    }
    config->comparing = arguments->compare != NULL;
    if (!config->comparing) {
        if (arguments->rounds) {
            fprintf(stderr, "poolbench: --rounds '%s' needs --compare\n", arguments->rounds);
            return false;
        }
        return read_modes("--mode", arguments->mode ? arguments->mode : "pool", 1, config);
    }
    config->rounds = 3;
    return read_modes("--compare", arguments->compare, BENCH_MODES, config) &&
           (!arguments->rounds ||
            read_count("--rounds", arguments->rounds, BENCH_ROUNDS, &config->rounds));
}

/* Where it means nothing it is a mistake. */
static bool read_in_flight(struct config *config)
{
    bool used = false;

    for (unsigned m = 0; m < config->mode_count; m++)
        used = used || config->modes[m]->one_caller;
    if (config->in_flight && !used) {
        fprintf(stderr, "poolbench: --in-flight '%u' needs the mode async\n", config->in_flight);
        return false;
    }
    if (!config->in_flight)
        config->in_flight = config->callers;
    return true;
}

static bool read_url(const char *url, struct config *config)
{
    struct pool_error err;

    if (!url)
        url = getenv("MYPOOL_URL");
    if (!url || !*url) {
        fprintf(stderr, "poolbench: no --url, and MYPOOL_URL is not set (see --help)\n");
        return false;
    }
    if (!pool_options_from_url(url, &config->options, &config->options_memory, &err)) {
        fprintf(stderr, "poolbench: --url: %s\n", err.message);
        return false;
    }
    if (!config->options.database) {
        fprintf(stderr, "poolbench: --url names no database\n");
        return false;
    }
    return true;
}

static bool read_arguments(int argc, char **argv, struct config *config)
{
    struct arguments arguments = {0};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == OPT_HELP) {
            fputs(help, stdout);
            exit(0);
        }
        if (!read_option(option, optarg, config, &arguments))
            return false;
    }
    if (optind < argc) {
        fprintf(stderr, "poolbench: unexpected argument '%s' (see --help)\n", argv[optind]);
        return false;
    }
    config->default_query = strcmp(config->query, DEFAULT_QUERY) == 0;
    return read_what_to_run(&arguments, config) && read_in_flight(config) &&
           read_url(arguments.url, config);
}

/* Returns the exit status so far. */
static int prepare(struct config *config)
{
    struct problem problem = {.message = ""};
    bool bad_query = false;
    bool needed = false;

    for (unsigned m = 0; m < config->mode_count; m++)
        needed = needed || config->modes[m]->uses_query;
    if (!needed || table_prepare(config, &bad_query, &problem))
        return 0;
    if (bad_query)
        fprintf(stderr, "poolbench: --query '%s': %s\n", config->query, problem.message);
    else
        fprintf(stderr, "poolbench: cannot prepare the table: %s\n", problem.message);
    return bad_query ? 2 : 1;
}

static bool is_good(const struct config *config, const struct outcome *outcomes)
{
    for (unsigned m = 0; m < config->mode_count; m++)
        if (outcomes[m].fastest <= 0 || failures_have(&outcomes[m].failures, WRONG_ROW))
            return false;
    return true;
}

static int measure_and_report(const struct config *config)
{
    static struct outcome outcomes[BENCH_MODES]; /* too big for a stack */
    struct problem problem = {.message = ""};

    if (!compare_modes(config, outcomes, &problem)) {
        fprintf(stderr, "poolbench: %s: %s\n", problem.class, problem.message);
        return 1;
    }
    if (config->json)
        report_json(config, outcomes);
    else
        report_table(config, outcomes);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "poolbench: cannot write the report: %s\n", strerror(errno));
        return 1;
    }
    report_failures(config, outcomes);
    return is_good(config, outcomes) ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct config config = {.callers = 64,
                            .connections = 8,
                            .rows = 10000,
                            .seconds = 5,
                            .rounds = 1,
                            .query = DEFAULT_QUERY};
    int status;

    if (!read_arguments(argc, argv, &config)) {
        free(config.options_memory);
        return 2;
    }
    status = prepare(&config);
    if (status == 0)
        status = measure_and_report(&config);
    free(config.options_memory);
    return status;
}
