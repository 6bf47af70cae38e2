/*
 * Borrowers read no clock. They count uses, and the keeper looks at the counter at each tick: one
 * that stands still since a known time says how long a connection has been idle, or out, to
 * within a tick. Pure.
 */
#include "engine/seen.h"

void pool__seen_note(struct pool__seen *seen, uint64_t uses, enum pool__slot_state state,
                     uint64_t now)
{
    bool idle = state == POOL__SLOT_IDLE;
    bool fresh = uses != seen->uses || state == POOL__SLOT_OPENING || state == POOL__SLOT_EMPTY;
    if (fresh || (idle && seen->away))
        seen->since_ns = now;
    if (fresh)
        seen->leak_reported = false;
    seen->uses = uses;
    seen->away = !idle && (fresh || state == POOL__SLOT_BUSY || seen->away);
}

uint64_t pool__seen_for_ns(const struct pool__seen *seen, uint64_t now)
{
    return now - seen->since_ns;
}

uint64_t pool__seen_silent_ns(const struct pool__seen *seen, uint64_t now)
{
    return now - (seen->pinged_ns > seen->since_ns ? seen->pinged_ns : seen->since_ns);
}
