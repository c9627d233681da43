// Relaxed accesses ordered by fences: messages passed from thread to thread in a ring, and store buffering between
// neighbours, where sequentially consistent fences forbid that both miss the other's store.
#include "race.h"

#include <stdatomic.h>

enum { ROUNDS_MAX = 1 << 15 };

static struct {
    atomic_int ready;
    uint64_t message; // written before the flag, with a fence between
} boxes[GUEST_THREADS_MAX];

// Threads 2k and 2k + 1 share the rows of a pair: who stores first, who sees what.
static atomic_char stored[GUEST_THREADS_MAX][ROUNDS_MAX];
static bool saw[GUEST_THREADS_MAX][ROUNDS_MAX];

static void buffer_stores(int self) {
    int other = (self ^ 1) < race_threads ? self ^ 1 : self;
    for (int i = 0; i < ROUNDS_MAX && race_goes_on(i); i++) {
        atomic_store_explicit(&stored[self][i], 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst);
        saw[self][i] = atomic_load_explicit(&stored[other][i], memory_order_relaxed);
    }
}

static uint64_t pass_messages(int self) {
    uint64_t seen = GUEST_HASH_START, looked = 0;
    int next = (self + 1) % race_threads;
    for (int i = 0; i < race_turns / 4; i++) {
        unsigned spins = 0;
        while (atomic_load_explicit(&boxes[next].ready, memory_order_relaxed)) race_relax(&spins);
        atomic_thread_fence(memory_order_acquire);
        boxes[next].message = (uint64_t)self * 1000000 + (uint64_t)i;
        atomic_thread_fence(memory_order_release);
        atomic_store_explicit(&boxes[next].ready, 1, memory_order_relaxed);

        while (!atomic_load_explicit(&boxes[self].ready, memory_order_relaxed)) race_relax(&spins);
        atomic_thread_fence(memory_order_acq_rel);
        seen = guest_hash(seen, boxes[self].message);
        CHECK(boxes[self].message % 1000000 == (uint64_t)i);
        atomic_signal_fence(memory_order_seq_cst);
        atomic_thread_fence(memory_order_release);
        atomic_store_explicit(&boxes[self].ready, 0, memory_order_relaxed);
        looked += spins;
    }
    return guest_hash(seen, looked);
}

static uint64_t work(int self) {
    buffer_stores(self);
    return pass_messages(self);
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 20000);
    race_run("fences", work);
    uint64_t order = GUEST_HASH_START;
    for (int i = 0; i + 1 < race_threads; i += 2)
        for (int k = 0; k < race_turns && k < ROUNDS_MAX; k++) {
            CHECK(saw[i][k] || saw[i + 1][k]);
            order = guest_hash(order, saw[i][k] + 2u * saw[i + 1][k]);
        }
    printf("stores %016llx\n", (unsigned long long)order);
    return 0;
}
