/*
 * Who has a connection, as the program calls it. See label.c.
 */
#ifndef POOL_ENGINE_LABEL_H
#define POOL_ENGINE_LABEL_H

struct pool;

/* By the owner of the slot. `label` NULL: none. */
void pool__label_set(struct pool *pool, unsigned slot, const char *label);
/* threads: any; a label that is being written meanwhile may be a mixture. */
void pool__label_copy(struct pool *pool, unsigned slot, char ret_label[64]);

#endif
