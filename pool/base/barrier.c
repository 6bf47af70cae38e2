/*
 * What the frames of barrier.h say to an unwinder. Runs on the thread that throws, and touches
 * nothing.
 */
#include "base/barrier.h"

_Unwind_Reason_Code pool__barrier(int version, _Unwind_Action actions, uint64_t language,
                                  struct _Unwind_Exception *exception,
                                  struct _Unwind_Context *context)
{
    (void)version;
    (void)language;
    (void)exception;
    (void)context;
    return actions & _UA_SEARCH_PHASE ? _URC_FATAL_PHASE1_ERROR : _URC_CONTINUE_UNWIND;
}
