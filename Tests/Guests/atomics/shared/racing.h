// What the guests of -fcastor-order=shared have in common. They race in plain memory, as no program should: what each
// thread saw depends on the interleaving of single loads and stores. In the end the memory itself is printed too, as code
// sees it that castor does not: replay has to leave the very same bytes there.
#ifndef RACING_H
#define RACING_H

#include "../race.h"

// The compiler must neither keep memory in registers here nor move accesses across.
#define MEMORY_CHANGES() __asm__ volatile("" ::: "memory")

__attribute__((noinline, annotate("castor_ignore"), unused)) static uint64_t unseen_hash(const void *at, size_t size) {
    const volatile unsigned char *bytes = (const volatile unsigned char *)at;
    uint64_t hash = GUEST_HASH_START;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
        hash ^= hash >> 29;
    }
    return hash;
}

#define SHOW_MEMORY(name, object) printf("%s %016llx\n", name, (unsigned long long)unseen_hash(&(object), sizeof(object)))

#endif
