/*
 * An intrusive doubly linked list: a ring through a head. Insertion and removal
 * are O(1) and cannot fail. The owner's lock guards it.
 */
#ifndef POOL_BASE_LIST_H
#define POOL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct pool__link {
    struct pool__link *prev;
    struct pool__link *next;
};

#define POOL__ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void pool__list_init(struct pool__link *head)
{
    head->prev = head;
    head->next = head;
}

static inline bool pool__list_empty(const struct pool__link *head)
{
    return head->next == head;
}

static inline void pool__list_append(struct pool__link *head, struct pool__link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void pool__list_remove(struct pool__link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link;
    link->next = link;
}

static inline struct pool__link *pool__list_first(const struct pool__link *head)
{
    return pool__list_empty(head) ? NULL : head->next;
}

#endif
