/*
 * Verdicts on failed calls: pure decisions, without a connection. Who asked carries them out.
 */
#include "conn/verdict.h"

#include "core/server_errors.h"

#include <errmsg.h>

static struct pool__verdict judge_end(const struct pool__failure *failure)
{
    struct pool__verdict verdict = {.code = POOL_ERR_QUERY_TIMEOUT,
                                    .text = "the statement passed its deadline before it was sent",
                                    .breaks = true,
                                    .may_run = failure->sent,
                                    .not_executed = !failure->sent};
    if (failure->sent)
        verdict.text = "the statement passed its deadline and is being killed";
    if (failure->cut) {
        verdict.code = POOL_ERR_CLOSED;
        verdict.text = "the pool was closed while the statement ran";
    }
    return verdict;
}

static enum pool_code code_of(enum pool__error_class class_)
{
    static const enum pool_code codes[] = {
        [POOL__ERROR_STATEMENT] = POOL_ERR_SERVER, [POOL__ERROR_DIRTY] = POOL_ERR_SERVER,
        [POOL__ERROR_RETRY] = POOL_ERR_SERVER,     [POOL__ERROR_TIMEOUT] = POOL_ERR_QUERY_TIMEOUT,
        [POOL__ERROR_READ_ONLY] = POOL_ERR_SERVER, [POOL__ERROR_TOO_BIG] = POOL_ERR_TOO_BIG,
        [POOL__ERROR_LOST] = POOL_ERR_LOST,        [POOL__ERROR_UNSENT] = POOL_ERR_LOST,
        [POOL__ERROR_NOMEM] = POOL_ERR_NOMEM,
    };
    return codes[class_];
}

static bool breaks(enum pool__error_class class_)
{
    return class_ == POOL__ERROR_LOST || class_ == POOL__ERROR_UNSENT ||
           class_ == POOL__ERROR_TOO_BIG || class_ == POOL__ERROR_NOMEM;
}

struct pool__verdict pool__verdict_of_statement(const struct pool__failure *failure)
{
    if (failure->timed_out || failure->cut)
        return judge_end(failure);
    bool too_large = failure->over_limit && failure->number == CR_SERVER_LOST;
    unsigned number = too_large ? CR_NET_PACKET_TOO_LARGE : failure->number;
    struct pool__error_facts facts = pool__classify(number, failure->text, failure->mariadb);
    struct pool__verdict verdict = {
        .code = code_of(facts.class_),
        .text = failure->text,
        .is_answer = true,
        .number = number,
        .facts = facts,
        .breaks = breaks(facts.class_),
        /* An error carries no status, and a function or a trigger may have changed the session
         * before it: only refusals to even start leave it clean for certain. */
        .dirties = !facts.before_start || failure->in_transaction,
        .not_executed = facts.not_executed && failure->class_ != POOL__SQL_OTHER,
    };
    if (number == CR_NET_PACKET_TOO_LARGE)
        verdict.text = "a packet from the server is over max_packet_bytes";
    if (failure->unheard)
        verdict.text = "the network is silent: what was sent is not acknowledged";
    return verdict;
}

/* A host is blocked for what its connects did; everything else is blocked with the account. */
static enum pool_code code_of_connect(unsigned number)
{
    static const enum pool_code codes[] = {
        [POOL__CONNECT_TRANSIENT] = POOL_ERR_CONNECT, [POOL__CONNECT_CAPACITY] = POOL_ERR_CONNECT,
        [POOL__CONNECT_BLOCKED] = POOL_ERR_AUTH,      [POOL__CONNECT_PASSWORD] = POOL_ERR_AUTH,
        [POOL__CONNECT_PERMANENT] = POOL_ERR_AUTH,    [POOL__CONNECT_TLS] = POOL_ERR_TLS,
    };
    if (number == CR_OUT_OF_MEMORY)
        return POOL_ERR_NOMEM;
    return number == POOL__ER_HOST_IS_BLOCKED ? POOL_ERR_CONNECT
                                              : codes[pool__classify_connect(number)];
}

struct pool__verdict pool__verdict_of_connect(const struct pool__failure *failure)
{
    bool lost = failure->timed_out || pool__is_cut_off(failure->number, failure->text);
    unsigned number = lost ? CR_SERVER_LOST : failure->number;
    struct pool__verdict verdict = {
        .text = failure->text, .number = number, .breaks = true, .not_executed = true};
    if (failure->timed_out) {
        verdict.code = POOL_ERR_CONNECT;
        verdict.text = "connect timed out";
    } else if (failure->cut) {
        verdict.code = POOL_ERR_CLOSED;
        verdict.text = "the pool is being closed";
    } else {
        verdict.code = code_of_connect(number);
        verdict.is_answer = true;
    }
    return verdict;
}
