#include "transactions.h"

enum { TRIES = 8 };
#define STARTED 0xffffffffu

int bench_add_stamped(uint64_t *object, const uint64_t *lock, uint64_t *found, uint64_t *stamp) {
    for (int i = 0; i < TRIES; i++) {
        unsigned status = STARTED;
        __asm__ volatile("xbegin 1f; 1:" : "+a"(status)::"memory");
        if (status != STARTED) continue;
        /* a lock that is taken meanwhile aborts, for it has been read */
        if (*(const volatile uint64_t *)lock != 0) __asm__ volatile("xabort $1" ::: "memory");
        *found = *object;
        *object = *found + 1;
        *stamp = __builtin_ia32_rdtsc();
        __asm__ volatile("xend" ::: "memory");
        return 1;
    }
    return 0;
}
