// For order_check.py: counters that each hold their number in the upper bits, so an old value tells which counter it is
// of. A thread prints a hash of the old values that it got from each counter, in its order. Two of the counters lie in
// one cache line, and others in lines of their own.
#include "race.h"

#include <stdatomic.h>

enum { COUNTERS = 6, SHIFT = 40 };

static struct {
    _Atomic uint64_t first, second;
    struct {
        _Alignas(64) _Atomic uint64_t value;
    } apart[COUNTERS - 2];
} counters;

static uint64_t hashes[GUEST_THREADS_MAX][COUNTERS];

static _Atomic uint64_t *counter(int index) {
    return index == 0 ? &counters.first : index == 1 ? &counters.second : &counters.apart[index - 2].value;
}

static uint64_t work(int self) {
    uint64_t random = (uint64_t)self + 1, *hash = hashes[self];
    for (int i = 0; i < COUNTERS; i++) hash[i] = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        int index = (int)((guest_random(&random) >> 33) % COUNTERS);
        hash[index] = guest_hash(hash[index], atomic_fetch_add(counter(index), 1));
    }
    return 0;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 100000);
    for (int i = 0; i < COUNTERS; i++) atomic_init(counter(i), (uint64_t)(i + 1) << SHIFT);
    race_run("order", work);
    uint64_t sum = 0;
    for (int i = 0; i < COUNTERS; i++) sum += *counter(i) - ((uint64_t)(i + 1) << SHIFT);
    CHECK(sum == (uint64_t)race_threads * (uint64_t)race_turns);
    for (int t = 0; t < race_threads; t++)
        for (int i = 0; i < COUNTERS; i++) printf("counter %d saw %016llx\n", i + 1, (unsigned long long)hashes[t][i]);
    return 0;
}
