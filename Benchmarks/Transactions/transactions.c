#include "transactions.h"

enum { TRIES = 8 };
#define STARTED 0xffffffffu

/// With no lock taken; nothing was done otherwise.
static inline __attribute__((always_inline)) int begin(const uint64_t *lock) {
    unsigned status = STARTED;
    __asm__ volatile("xbegin 1f; 1:" : "+a"(status)::"memory");
    if (status != STARTED) return 0;
    /* a lock that is taken meanwhile aborts, for it has been read */
    if (*(const volatile uint64_t *)lock & 1) __asm__ volatile("xabort $1" ::: "memory");
    return 1;
}
static inline __attribute__((always_inline)) void end(void) { __asm__ volatile("xend" ::: "memory"); }

int bench_add_stamped(uint64_t *object, const uint64_t *lock, uint64_t *found, uint64_t *stamp) {
    for (int i = 0; i < TRIES; i++) {
        if (!begin(lock)) continue;
        *found = *object;
        *object = *found + 1;
        *stamp = __builtin_ia32_rdtsc();
        end();
        return 1;
    }
    return 0;
}

int bench_add_stamped_fenced(uint64_t *object, const uint64_t *lock, uint64_t *found, uint64_t *stamp) {
    for (int i = 0; i < TRIES; i++) {
        if (!begin(lock)) continue;
        *found = *object;
        *object = *found + 1;
        __asm__ volatile("lfence" ::: "memory"); /* the object is this transaction's before the counter is read */
        *stamp = __builtin_ia32_rdtsc();
        __asm__ volatile("lfence" ::: "memory");
        end();
        return 1;
    }
    return 0;
}

int bench_add_versioned(uint64_t *object, uint64_t *word, uint64_t *found, uint64_t *version) {
    for (int i = 0; i < TRIES; i++) {
        if (!begin(word)) continue;
        *found = *object;
        *object = *found + 1;
        *version = *word >> 1;
        *word += 2;
        end();
        return 1;
    }
    return 0;
}
