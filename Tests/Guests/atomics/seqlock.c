// A sequence lock: thread 0 and every fourth write, the others read. The data are relaxed atomics, and a reader that saw
// no writer must find them to belong together.
#include "race.h"

#include <stdatomic.h>

enum { WORDS = 4 };

static atomic_uint sequence;
static _Atomic uint64_t words[WORDS];

static void write_words(uint64_t value) {
    unsigned spins = 0, before;
    do {
        before = atomic_load_explicit(&sequence, memory_order_relaxed) & ~1u;
        race_relax(&spins);
    } while (!atomic_compare_exchange_weak_explicit(&sequence, &before, before + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    for (unsigned i = 0; i < WORDS; i++) atomic_store_explicit(&words[i], value * (i + 1), memory_order_release);
    atomic_store_explicit(&sequence, before + 2, memory_order_release);
}

// Loads acquire instead of a fence after them: ThreadSanitizer knows no fences.
static uint64_t read_words(uint64_t *retries) {
    uint64_t copy[WORDS];
    unsigned spins = 0, before;
    for (;; ++*retries, race_relax(&spins)) {
        before = atomic_load_explicit(&sequence, memory_order_acquire);
        if (before & 1) continue;
        for (int i = 0; i < WORDS; i++) copy[i] = atomic_load_explicit(&words[i], memory_order_acquire);
        if (atomic_load_explicit(&sequence, memory_order_relaxed) == before) break;
    }
    for (unsigned i = 0; i < WORDS; i++) CHECK(copy[i] == copy[0] * (i + 1));
    return copy[0];
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START, retries = 0;
    for (int i = 1; race_goes_on(i - 1); i++) {
        if (self % 4 == 0) write_words((uint64_t)self << 32 | (uint64_t)i);
        else seen = guest_hash(seen, read_words(&retries));
    }
    return guest_hash(seen, retries);
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 40000);
    race_run("seqlock", work);
    uint64_t retries = 0;
    printf("sequence %u last %016llx\n", sequence, (unsigned long long)read_words(&retries));
    CHECK(sequence == 2u * (unsigned)race_turns * (unsigned)((race_threads + 3) / 4) && retries == 0);
    return 0;
}
