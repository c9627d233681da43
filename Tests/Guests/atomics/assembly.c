// Every class of inline assembly: without instructions, on registers only, with unforeseeable results, and on memory in
// each of the ways in which an operand can say so.
#include "race.h"

static long added, swapped, compared, outside, doubled;
static int taken;
// Guarded by `taken`.
static uint64_t order = GUEST_HASH_START;

static inline long xadd(long *place, long value) {
    __asm__ volatile("lock xaddq %0, %1" : "+r"(value), "+m"(*place) : : "memory", "cc");
    return value;
}

static inline long xchg(long *place, long value) {
    __asm__ volatile("xchgq %0, %1" : "+r"(value), "+m"(*place));
    return value;
}

static inline bool cmpxchg(long *place, long *expected, long desired) {
    bool did;
    __asm__ volatile("lock cmpxchgq %3, %1\n\tsete %0"
                     : "=q"(did), "+m"(*place), "+a"(*expected)
                     : "r"(desired)
                     : "memory", "cc");
    return did;
}

// The address in a register, the memory behind it only in the clobber.
static inline void increment(long *place) { __asm__ volatile("lock incq (%0)" : : "r"(place) : "memory", "cc"); }

static inline long load(const long *place) {
    long value;
    __asm__ volatile("movq %1, %0" : "=r"(value) : "m"(*place));
    return value;
}

static inline void store(long *place, long value) { __asm__ volatile("movq %1, %0" : "=m"(*place) : "r"(value)); }

static inline uint64_t counter(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline uint64_t counter_and_processor(uint32_t *processor) {
    uint32_t low, high;
    __asm__ volatile("lfence; rdtscp" : "=a"(low), "=d"(high), "=c"(*processor));
    return (uint64_t)high << 32 | low;
}

static inline uint32_t processor_identity(uint32_t leaf) {
    uint32_t a = leaf, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
    return a ^ b ^ c ^ d;
}

static inline uint64_t multiply_high(uint64_t a, uint64_t b) {
    uint64_t high;
    __asm__("mulq %2" : "+a"(a), "=&d"(high) : "r"(b) : "cc");
    return high;
}

// Read back by plain code: the compiler knows of the write by "=m" alone.
static inline uint64_t counter_in_memory(void) {
    uint64_t place;
    __asm__ volatile("rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax; movq %%rax, %0" : "=m"(place) : : "rax", "rdx", "cc");
    return place;
}

static inline void pause_and_fence(void) {
    __asm__ volatile("pause");
    __asm__ volatile("rep; nop" ::: "memory");
    __asm__ volatile("mfence" ::: "memory");
    __asm__ volatile("" ::: "memory");
}

static void lock(void) {
    for (int got = 1;;) {
        __asm__ volatile("xchgl %0, %1" : "+r"(got), "+m"(taken) : : "memory");
        if (!got) return;
        pause_and_fence();
        sched_yield();
        got = 1;
    }
}

static void unlock(void) { __asm__ volatile("movl $0, %0" : "=m"(taken) : : "memory"); }

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START, last = 0;
    for (int i = 0; race_goes_on(i); i++) {
        seen = guest_hash(seen, (uint64_t)xadd(&added, 1));
        seen = guest_hash(seen, (uint64_t)xchg(&swapped, self * 1000000L + i));
        long expected = load(&compared);
        while (!cmpxchg(&compared, &expected, expected + 1)) seen = guest_hash(seen, (uint64_t)expected);
        increment(&outside);
        store(&doubled, 2L * i);
        CHECK(load(&doubled) % 2 == 0);
        seen = guest_hash(seen, multiply_high(seen, (uint64_t)load(&doubled)));
        lock();
        order = guest_hash(order, (uint64_t)self);
        unlock();
        if (i % 64) continue;
        uint32_t processor;
        uint64_t now = counter(), then = counter_and_processor(&processor), later = counter_in_memory();
        CHECK(now > last);
        last = now;
        seen = guest_hash(guest_hash(guest_hash(seen, now), then ^ processor), later);
        seen = guest_hash(seen, processor_identity(1));
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 8000);
    race_run("assembly", work);
    long all = (long)race_threads * race_turns;
    CHECK(added == all && compared == all && outside == all);
    printf("order %016llx last %ld\n", (unsigned long long)order, swapped);
    return 0;
}
