// Threads that take turns in a ring and wait by yielding, and threads that wait for whoever comes first; counts how often
// they looked.
#include "race.h"

#include <stdatomic.h>

static atomic_int turn, any;

static uint64_t work(int self) {
    uint64_t looks = 0, seen = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        while (atomic_load_explicit(&turn, memory_order_acquire) != self) sched_yield(), looks++;
        atomic_store_explicit(&turn, (self + 1) % race_threads, memory_order_release);
        int before = atomic_fetch_add_explicit(&any, 1, memory_order_relaxed);
        for (int k = 0; k < 4 && atomic_load_explicit(&any, memory_order_relaxed) == before + 1; k++) sched_yield();
        seen = guest_hash(guest_hash(seen, looks), (uint64_t)before);
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 4000);
    race_run("yield", work);
    CHECK(any == race_threads * race_turns);
    return 0;
}
