/*
 * Reads the members of the core as they are and takes no lock. It is compiled with POOL__EXPLORE as
 * well, for the explorer.
 */
#include "core_check.h"

#include "core/waiter.h"

const char *core_check(const struct pool__core *core)
{
    unsigned length = 0, nudged = 0;
    const struct pool__link *link = core->queue.next;
    for (; link != &core->queue; link = link->next) {
        struct pool__waiter *waiter =
            POOL__ENTRY((struct pool__link *)(uintptr_t)link, struct pool__waiter, link);
        enum pool__waiter_state state = pool__waiter_state(waiter);
        if (link->next->prev != link)
            return "the queue is torn";
        if (!pool__waiter_is_queued(state))
            return "somebody is in the queue who has left it";
        if (state == POOL__WAITER_NUDGED && length > 0)
            return "somebody is nudged who is not the oldest";
        nudged += state == POOL__WAITER_NUDGED;
        length++;
    }
    if (atomic_load(&core->waiting) != length)
        return "the number of waiters is wrong";
    if (nudged && !atomic_load(&core->nudged))
        return "a nudge is not noted";
    if (atomic_load(&core->owed) && !length)
        return "a return is owed to nobody";
    return NULL;
}

const char *core_check_at_rest(const struct pool__core *core)
{
    unsigned absent = 0, chores = 0;
    const char *wrong = core_check(core);
    for (unsigned i = 0; i < core->limit; i++) {
        enum pool__slot_state state = pool__slot_state_of(atomic_load(&core->slots[i].word));
        absent +=
            state == POOL__SLOT_EMPTY || state == POOL__SLOT_OPENING || state == POOL__SLOT_CLOSING;
        chores += state == POOL__SLOT_CHORE;
        if (state == POOL__SLOT_IDLE && !(atomic_load(&core->idle[i / 64]) >> (i % 64) & 1))
            return "an idle slot is not in the map";
        if (state == POOL__SLOT_IDLE && atomic_load(&core->waiting))
            return "somebody waits although a slot is idle";
    }
    if (atomic_load(&core->absent) != absent)
        return "the number of absent slots is wrong";
    if (atomic_load(&core->chores) != chores)
        return "the number of chores is wrong";
    if (atomic_load(&core->nudged) && !atomic_load(&core->waiting))
        return "a nudge is noted and nobody waits";
    return wrong;
}
