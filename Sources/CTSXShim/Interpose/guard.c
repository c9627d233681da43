/// Initialisation of C++ functions' static variables. The C++ library decides with an atomic who initialises; here that
/// is an event. The compiler looks at the first byte before it calls, and what it finds is in no order: replay passes
/// over a recorded call that only found the variable ready, and lets one that is not recorded wait until it is.
#include <limits.h>
#include <time.h>
#include "wrappers.h"

#define DONE 1u
#define RUNNING 0x100u /* as in libstdc++ */
#define WAITED_FOR 0x10000u

REAL(int, __cxa_guard_acquire, (uint32_t *g), (g), "")
REAL(void, __cxa_guard_release, (uint32_t *g), (g), "")
REAL(void, __cxa_guard_abort, (uint32_t *g), (g), "")

static int attached(void) { return castor_self.ring && castor_mode_now() != CASTOR_MODE_OFF; }
enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 };

/// Whether this thread is to initialise; `may`: it is not to, only wait.
static int acquire(uint32_t *g, int may) {
    int waits = 0, first = 0;
    for (;;) {
        uint32_t now = __atomic_load_n(g, __ATOMIC_ACQUIRE);
        if (now & DONE) break;
        if (!now && may) {
            if ((first = __atomic_compare_exchange_n(g, &now, RUNNING, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))) break;
            continue;
        }
        if (!waits++) castor_blocked(1);
        if (now & RUNNING && !(now & WAITED_FOR) &&
            !__atomic_compare_exchange_n(g, &now, now | WAITED_FOR, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            continue;
        static const struct timespec soon = {0, 1000000};
        castor_gate_syscall(SYS_futex, (uint64_t)g, FUTEX_WAIT_PRIVATE, now ? now | WAITED_FOR : 0, (uint64_t)&soon, 0, 0);
    }
    if (waits) castor_blocked(0);
    return first;
}
/// An event: code that was built with castor's compilers looks at the guard by an ordered load. What was there before is
/// none: others note in it that they wait, when they come to that.
static void leave(uint32_t *g, uint32_t state) {
    castor_plain_store(g, state);
    castor_gate_syscall(SYS_futex, (uint64_t)g, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
}

EXPORT int castor_guard_acquire(uint32_t *g) __asm__("__cxa_guard_acquire");
EXPORT int castor_guard_acquire(uint32_t *g) {
    if (!attached()) return real___cxa_guard_acquire(g);
    if (!castor_is_ordered()) return acquire(g, 1);
    if (castor_replays()) {
        castor_turn turn;
        if (!castor_next_guard((uint64_t)g)) return acquire(g, 0);
        castor_symbol_replay(&turn, CASTOR_SYM_cxa_guard, (uint64_t)g);
        acquire(g, turn.result != 0);
        castor_symbol_replayed(&turn);
        return (int)turn.result;
    }
    castor_boundary();
    int first = acquire(g, 1);
    castor_symbol_record(CASTOR_SYM_cxa_guard, (uint64_t)g, first, 0, 1);
    return first;
}
EXPORT void castor_guard_release(uint32_t *g) __asm__("__cxa_guard_release");
EXPORT void castor_guard_release(uint32_t *g) {
    if (attached()) leave(g, DONE);
    else real___cxa_guard_release(g);
}
EXPORT void castor_guard_abort(uint32_t *g) __asm__("__cxa_guard_abort");
EXPORT void castor_guard_abort(uint32_t *g) {
    if (attached()) leave(g, 0);
    else real___cxa_guard_abort(g);
}
