// What the guests of this area share. Their threads meet in atomics: they start at one moment, each keeps a hash of what
// it saw, and the hashes are the transcript. What no lock of pthread orders is ordered by the atomics, which the compiler
// plane records.
#ifndef RACE_H
#define RACE_H

#include "../guest.h"

#include <sched.h>

static int race_threads, race_turns;
static int race_arrived;
static uint64_t race_noise;
static const struct timespec race_nap = {0, 1000};
static uint64_t (*race_body)(int self);
static uint64_t race_results[GUEST_THREADS_MAX];

// The first argument is the number of threads; `turns` are shared among them, or given each by the second argument.
static inline void race_begin(int count, char **arguments, int turns) {
    race_threads = guest_threads(count, arguments);
    race_turns = guest_iterations(count, arguments, turns / race_threads);
    race_noise = guest_now() | 1;
}

// Waits politely: with more threads than processors, who is waited for may need this one.
static inline void race_relax(unsigned *spins) {
    if (++*spins % 64 == 0) sched_yield();
    else __builtin_ia32_pause();
}

// A thread's loop condition. At moments that differ from run to run the thread makes way, by yielding or by sleeping, so
// that threads mix in ever new ways even on one processor. Nothing else depends on these moments.
static inline bool race_goes_on(int turn) {
    static __thread uint64_t noise;
    if (noise == 0) noise = race_noise + (uint64_t)(uintptr_t)&noise;
    uint64_t drawn = guest_random(&noise) >> 40;
    if (drawn % 1024 == 0) nanosleep(&race_nap, NULL);
    else if (drawn % 32 == 0) sched_yield();
    return turn < race_turns;
}

static inline void *race_thread(void *argument) {
    int self = (int)(intptr_t)argument;
    unsigned spins = 0;
    __atomic_fetch_add(&race_arrived, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&race_arrived, __ATOMIC_ACQUIRE) < race_threads) race_relax(&spins);
    race_results[self] = race_body(self);
    return NULL;
}

// Runs the body in every thread and prints the hashes; can be called again.
static inline void race_run(const char *name, uint64_t (*body)(int self)) {
    race_body = body;
    race_arrived = 0;
    guest_run_threads(race_threads, race_thread);
    for (int i = 0; i < race_threads; i++) printf("%s %d %016llx\n", name, i, (unsigned long long)race_results[i]);
}

#endif
