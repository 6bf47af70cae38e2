/*
 * The list of failure classes.
 *
 * There are few classes in any run, so the list is a small array that is
 * searched from the start. It never allocates: it must work when things fail.
 */
#include "failures.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void problem_set(struct problem *problem, const char *class, const char *format, ...)
{
    va_list args;

    snprintf(problem->class, sizeof(problem->class), "%s", class);
    va_start(args, format);
    vsnprintf(problem->message, sizeof(problem->message), format, args);
    va_end(args);
}

static struct failure_class *find_or_add(struct failures *failures, const struct problem *problem)
{
    struct failure_class *class = failures->classes;

    for (unsigned i = 0; i < failures->used; i++, class ++)
        if (strcmp(class->first.class, problem->class) == 0)
            return class;
    if (failures->used == FAILURE_CLASSES)
        return &failures->classes[FAILURE_CLASSES - 1];
    failures->used++;
    class->first = *problem;
    if (failures->used == FAILURE_CLASSES)
        snprintf(class->first.class, sizeof(class->first.class), "other");
    return class;
}

void failures_add(struct failures *failures, const struct problem *problem, uint64_t count)
{
    find_or_add(failures, problem)->count += count;
}

void failures_merge(struct failures *into, const struct failures *from)
{
    for (unsigned i = 0; i < from->used; i++)
        failures_add(into, &from->classes[i].first, from->classes[i].count);
}

uint64_t failures_total(const struct failures *failures)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < failures->used; i++)
        total += failures->classes[i].count;
    return total;
}

bool failures_have(const struct failures *failures, const char *class)
{
    for (unsigned i = 0; i < failures->used; i++)
        if (strcmp(failures->classes[i].first.class, class) == 0)
            return true;
    return false;
}
