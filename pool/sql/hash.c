/*
 * The hash by which statements are found in a cache and told apart in statistics. It is not
 * kept outside the process, and may change.
 */
#include "sql/hash.h"

#include <string.h>

/* Eight bytes at a time; the texts come from the program, not from strangers, and
 * the table is small, so speed counts for more than resistance to floods. */
uint64_t pool__hash_text(const char *text, size_t len)
{
    uint64_t hash = UINT64_C(0x9E3779B97F4A7C15) ^ len;
    for (; len >= 8; text += 8, len -= 8) {
        uint64_t part;
        memcpy(&part, text, 8);
        hash = (hash ^ part) * UINT64_C(0xFF51AFD7ED558CCD);
        hash ^= hash >> 32;
    }
    uint64_t tail = 0;
    memcpy(&tail, text, len);
    hash = (hash ^ tail) * UINT64_C(0xC4CEB9FE1A85EC53);
    return hash ^ hash >> 29;
}
