/*
 * Runs seed.sql through the pool, so that nobody needs a database client.
 *
 * A statement ends with a semicolon at the end of a line. That is all it knows of
 * SQL, which is enough for a file of our own, and allows the pool to keep several
 * statements in one request switched off.
 */
#include "seed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;

    if (!file || getdelim(&text, &size, '\0', file) < 0) {
        fprintf(stderr, "ulfius-server: cannot read '%s': %s\n", path,
                errno ? strerror(errno) : "it is empty");
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}

static bool run_statements(struct pool *pool, char *text)
{
    struct pool_result *result;
    struct pool_error err;
    char *end;

    for (; (end = strstr(text, ";\n")) != NULL; text = end + 2) {
        *end = '\0';
        result = pool_query(pool, text, POOL_NO_ARGS, &err);
        if (!result) {
            fprintf(stderr, "ulfius-server: seed: %s: %s\n", pool_code_name(err.code), err.message);
            return false;
        }
        pool_result_free(result);
    }
    return true;
}

bool seed_database(struct pool *pool, const char *path)
{
    char *text;
    bool ok;

    errno = 0;
    text = read_file(path);
    ok = text && run_statements(pool, text);
    free(text);
    return ok;
}
