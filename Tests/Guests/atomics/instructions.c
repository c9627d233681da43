// Instructions whose result no program can foretell, as intrinsics: counter, processor, random numbers. Prints values.
#include "race.h"

#include <cpuid.h>
#include <x86intrin.h>

static bool has_random, has_seed, has_xgetbv;

static void look(void) {
    unsigned a, b, c, d;
    CHECK(__get_cpuid(1, &a, &b, &c, &d));
    has_random = c >> 30 & 1;
    has_xgetbv = c >> 27 & 1;
    has_seed = __get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 18 & 1;
}

__attribute__((target("rdrnd"))) static uint64_t random_numbers(void) {
    unsigned short s = 0;
    unsigned i = 0;
    unsigned long long l = 0;
    int came = _rdrand16_step(&s) + _rdrand32_step(&i) + _rdrand64_step(&l);
    return l ^ (uint64_t)i << 16 ^ s ^ (uint64_t)came << 60;
}

__attribute__((target("rdseed"))) static uint64_t seeds(void) {
    unsigned i = 0;
    unsigned long long l = 0;
    int came = _rdseed32_step(&i) + _rdseed64_step(&l);
    return l ^ i ^ (uint64_t)came << 60;
}

__attribute__((target("xsave"))) static uint64_t state_mask(void) { return _xgetbv(0); }

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START, last = 0;
    for (int i = 0; race_goes_on(i); i++) {
        unsigned processor, a, b, c, d;
        uint64_t now = __rdtsc(), then = __rdtscp(&processor);
        CHECK(now >= last && processor < 1 << 22);
        last = now;
        seen = guest_hash(guest_hash(guest_hash(seen, now), then), processor);
        if (i % 64) continue;
        if (has_random) seen = guest_hash(seen, random_numbers());
        if (has_seed) seen = guest_hash(seen, seeds());
        if (has_xgetbv) seen = guest_hash(seen, state_mask());
        // Leaf 1 tells the processor's number.
        __cpuid_count(i % 2 ? 1 : 11, 0, a, b, c, d);
        seen = guest_hash(seen, (uint64_t)a << 32 | b) ^ c ^ d;
    }
    if (self == 0) {
        unsigned a, b, c, d;
        __cpuid(1, a, b, c, d);
        printf("counter %llu cpuid %x %x random %llx seed %llx\n", (unsigned long long)last, a, b,
               has_random ? (unsigned long long)random_numbers() : 0, has_seed ? (unsigned long long)seeds() : 0);
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 20000);
    look();
    race_run("instructions", work);
    return 0;
}
