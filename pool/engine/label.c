/*
 * Who has a connection, as the program calls it: for reports of leaks, and for the error of
 * somebody who got none. No lock: word by word.
 */
#include "engine/label.h"

#include "engine/pool.h"

#include <string.h>

/* Labels are read by the keeper while a borrower may write: word by word. */
void pool__label_set(struct pool *pool, unsigned slot, const char *label)
{
    _Atomic uint64_t *words = pool->records[slot].label;
    char text[POOL__LABEL_WORDS * 8] = {0};
    if (!label) {
        if (atomic_load_explicit(&words[0], memory_order_relaxed))
            atomic_store_explicit(&words[0], 0, memory_order_relaxed);
        return;
    }
    memccpy(text, label, '\0', sizeof text - 1);
    for (unsigned i = 0; i < POOL__LABEL_WORDS; i++) {
        uint64_t word;
        memcpy(&word, text + i * 8, 8);
        atomic_store_explicit(&words[i], word, memory_order_relaxed);
    }
}

void pool__label_copy(struct pool *pool, unsigned slot, char ret_label[64])
{
    memset(ret_label, 0, 64);
    for (unsigned i = 0; i < POOL__LABEL_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&pool->records[slot].label[i], memory_order_relaxed);
        memcpy(ret_label + i * 8, &word, 8);
        if (i == 0 && word == 0)
            return;
    }
}
