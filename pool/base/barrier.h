/*
 * Exceptions end here. The frames of the library have nothing that would clean up while a
 * C++ exception (or a panic, or whatever else unwinds the stack) passes through them: the
 * connection, a claimed handle and what the thread remembers of the pool would stay behind.
 * In C++ the public header catches what may reach the caller before it gets here. Everything
 * else must not get through, and must not end without a word either.
 *
 * A function with POOL__BARRIER() before a call to the program says, when the runtime looks for
 * a handler up the stack, that the search is over. The runtime then calls std::terminate where
 * the exception was thrown, with its message, before anything has been unwound. Threads of the
 * pool would do the same without it, having nothing above them; in threads of the program
 * there may be a handler. The end of a thread (pthread_exit) is no exception, and passes.
 */
#ifndef POOL_BASE_BARRIER_H
#define POOL_BASE_BARRIER_H

#include <stdint.h>
#include <unwind.h>

/* Asked by the unwinder. Of this library alone, so that the reference needs no relocation. */
__attribute__((visibility("hidden"))) _Unwind_Reason_Code
pool__barrier(int version, _Unwind_Action actions, uint64_t language,
              struct _Unwind_Exception *exception, struct _Unwind_Context *context);

/* The directive belongs to the function that is being compiled, wherever it is inlined. The
 * call must not be the last thing in it: a jump leaves no frame. */
#if defined __GCC_HAVE_DWARF2_CFI_ASM && defined __x86_64__
#define POOL__BARRIER() __asm__ volatile(".cfi_personality 0x1b, %c0" : : "i"(pool__barrier))
#elif defined __GCC_HAVE_DWARF2_CFI_ASM && defined __aarch64__
#define POOL__BARRIER() __asm__ volatile(".cfi_personality 0x1b, pool__barrier")
#else
#define POOL__BARRIER() ((void)0)
#endif

#endif
