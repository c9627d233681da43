// Micro-benchmark: stall [SECONDS]. Four threads on two processors add to sixteen atomics, and each add is timed. Prints the
// longest in microseconds, and what one in a thousand exceeds in nanoseconds. A thread that loses its processor in an add is stalled
// natively as well; recorded, it may hold others up.
#include "../../loop.h"

#include <sched.h>
#include <stdatomic.h>
#include <x86intrin.h>

enum { THREADS = 4, BATCH = 4096, BINS = 64 * 8 };

static struct {
    atomic_long value __attribute__((aligned(64)));
} objects[16];
static uint64_t longest[THREADS], counts[THREADS][BINS];

// The counter as it is: its readings are no events.
__attribute__((annotate("castor_ignore"), noinline)) static uint64_t ticks(void) { return __rdtsc(); }

// Eight to the power of two.
static unsigned bin_of(uint64_t n) {
    if (n < 8) return (unsigned)n;
    unsigned power = 63 - (unsigned)__builtin_clzll(n);
    return power * 8 + (unsigned)(n >> (power - 3) & 7);
}
static uint64_t start_of(unsigned bin) {
    return bin < 24 ? bin : (8 + (uint64_t)(bin & 7)) << (bin / 8 - 3);
}

static void *work(void *argument) {
    const int self = (int)(long)argument;
    long long start = now_ns();
    while ((double)(now_ns() - start) < seconds * 1e9)
        for (int i = 0; i < BATCH; i++) {
            uint64_t before = ticks();
            atomic_fetch_add(&objects[i * (2 * self + 1) & 15].value, 1);
            uint64_t took = ticks() - before;
            if (took > longest[self]) longest[self] = took;
            counts[self][bin_of(took)]++;
        }
    return NULL;
}

int main(int count, char **arguments) {
    seconds = count > 1 ? atof(arguments[1]) : 1;
    cpu_set_t here, two;
    CPU_ZERO(&two);
    CHECK(sched_getaffinity(0, sizeof here, &here) == 0);
    for (int i = 0, n = 0; i < CPU_SETSIZE && n < 2; i++)
        if (CPU_ISSET(i, &here)) CPU_SET(i, &two), n++;
    CHECK(sched_setaffinity(0, sizeof two, &two) == 0);
    long long start = now_ns();
    uint64_t before = ticks();
    guest_run_threads(THREADS, work);
    double per_us = (double)(ticks() - before) / ((double)(now_ns() - start) / 1e3);
    uint64_t most = 0, all = 0, above = 0;
    for (int t = 0; t < THREADS; t++) {
        if (longest[t] > most) most = longest[t];
        for (int b = 0; b < BINS; b++) all += counts[t][b];
    }
    unsigned bin = BINS;
    while (bin > 0 && above * 1000 < all) {
        bin--;
        for (int t = 0; t < THREADS; t++) above += counts[t][bin];
    }
    printf("longest_us %.2f\none_in_a_thousand_ns %.1f\n", (double)most / per_us, 1e3 * (double)start_of(bin) / per_us);
    return 0;
}
