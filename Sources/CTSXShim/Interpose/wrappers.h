/// How a wrapper of the symbol plane is written: the real function is found once, and its call is made one of three
/// ways: as it is (dormant, or a single-threaded program), recorded, or replayed.
#pragma once
#include <dlfcn.h>
#include <stdint.h>
#include "castor_gate.h"

#define EXPORT __attribute__((visibility("default")))

/// A real function to be found at start-up, so that no lookup happens later behind the loader's lock. Dormant programs
/// find theirs at the first call.
typedef struct castor_real {
    const char *name, *version;
    void **slot;
} castor_real;

/// Declares `real_NAME`, whose first call looks the function up. The version matters for pthread_cond_*: a plain
/// RTLD_NEXT may find the ancient ones.
#define REAL(type, name, parameters, arguments, version)                                     \
    static type name##_first parameters;                                                     \
    static type (*real_##name) parameters = name##_first;                                    \
    static const castor_real name##_entry __attribute__((section("castor_reals"), used, retain)) = \
        {#name, version, (void **)&real_##name};                                             \
    static type name##_first parameters {                                                    \
        void *found_ = version[0] ? dlvsym(RTLD_NEXT, #name, version) : dlsym(RTLD_NEXT, #name);  \
        if (!found_) __builtin_trap();                                                          \
        *(void **)&real_##name = found_;                                                       \
        return real_##name arguments;                                                        \
    }

/// On replay the signals that come first are delivered from here: their handlers may throw or cancel the thread.
#define castor_symbol_replay(turn, id, object) (castor_settle(), castor_symbol_replay(turn, id, object))
#define castor_symbol_acquire(turn, id, object) (castor_settle(), castor_symbol_acquire(turn, id, object))
#define castor_next_is(id) (castor_settle(), castor_next_is(id))

/// Replay: a call that was cancelled is followed by what the unwinder did; the request itself was the event before.
extern void pthread_testcancel(void);
#define CANCELLATION_POINT(id) do { if (!castor_next_is(id)) pthread_testcancel(); } while (0)

/// Memory of the runtime's own: the program's heap, unless a sanitizer is that.
CASTOR_HIDDEN void *castor_own_allocate(uint64_t n);
CASTOR_HIDDEN void castor_own_free(void *p);

CASTOR_HIDDEN void castor_plain_store(uint32_t *p, uint32_t value);  // plane.c

static inline int castor_is_ordered(void) { return castor_self.ordered; }
/// Before an event that takes `object`: a lock, a semaphore, an atomic variable.
static inline void castor_boundary_at(const volatile void *object) {
    if (__builtin_expect(castor_self.pending_signals != 0, 0)) castor_deliver_pending();
    if (__builtin_expect(castor_self.disturbed, 0)) castor_disturb((uint64_t)(uintptr_t)object);
}
static inline void castor_boundary(void) { castor_boundary_at(0); }

/// A call that takes something when `taken(result)`. `again` is how replay takes it: surely, however the recorded
/// call came to it.
#define ACQUIRE(id, object, call, again, taken)                                                     \
    do {                                                                                            \
        if (!castor_is_ordered()) return call;                                                      \
        if (castor_replays()) {                                              \
            castor_turn turn;                                                                       \
            castor_symbol_acquire(&turn, id, (uint64_t)(uintptr_t)(object));                        \
            int result = (int)turn.result;                                                          \
            if (taken(result)) again;                                                               \
            castor_symbol_acquired(&turn);                                                          \
            return result;                                                                          \
        }                                                                                           \
        castor_boundary_at(object);                                                                 \
        int result = call;                                                                          \
        castor_symbol_record(id, (uint64_t)(uintptr_t)(object), result, 0, taken(result));          \
        return result;                                                                              \
    } while (0)
