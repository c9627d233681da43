// The functions of docs/INSTRUMENTATION.md for tests: each is the plain operation, counted, and regions are checked.
// At the end of the program the count goes to standard error.
#define _GNU_SOURCE
#include "../../Sources/CTSXShim/include/castor_plane.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <x86intrin.h>

typedef uint8_t u1;
typedef uint16_t u2;
typedef uint32_t u4;
typedef uint64_t u8;
typedef unsigned __int128 u16;
typedef int8_t i1;
typedef int16_t i2;
typedef int32_t i4;
typedef int64_t i8;
typedef __int128 i16;

static uint64_t calls;
static _Thread_local int regions;
static _Thread_local void *region;

static void require(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "native plane: %s\n", what);
    abort();
}

static void count(void) {
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    require(regions == 0, "a call within a region");
}

// max and min have no builtin.
#define CHANGE(N, OP, T, NEW)                                                                                          \
    u##N __castor_fetch_##OP##_##N(void *p, u##N value, int order) {                                                   \
        (void)order;                                                                                                   \
        count();                                                                                                       \
        u##N old = *(u##N *)p;                                                                                         \
        while (!__atomic_compare_exchange_n((u##N *)p, &old, (u##N)(NEW), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}   \
        return old;                                                                                                    \
    }

#define FUNCTIONS(N)                                                                                                   \
    CHANGE(N, add, u##N, old + value)                                                                                  \
    CHANGE(N, sub, u##N, old - value)                                                                                  \
    CHANGE(N, and, u##N, old & value)                                                                                  \
    CHANGE(N, or, u##N, old | value)                                                                                   \
    CHANGE(N, xor, u##N, old ^ value)                                                                                  \
    CHANGE(N, nand, u##N, ~(old & value))                                                                              \
    CHANGE(N, max, i##N, (i##N)old > (i##N)value ? old : value)                                                        \
    CHANGE(N, min, i##N, (i##N)old < (i##N)value ? old : value)                                                        \
    CHANGE(N, umax, u##N, old > value ? old : value)                                                                   \
    CHANGE(N, umin, u##N, old < value ? old : value)                                                                   \
    u##N __castor_load_##N(const void *p, int order) {                                                                 \
        require(order >= 0 && order <= 5, "no memory order");                                                          \
        count();                                                                                                       \
        return __atomic_load_n((const u##N *)p, __ATOMIC_SEQ_CST);                                                     \
    }                                                                                                                  \
    void __castor_store_##N(void *p, u##N value, int order) {                                                          \
        require(order >= 0 && order <= 5, "no memory order");                                                          \
        count();                                                                                                       \
        __atomic_store_n((u##N *)p, value, __ATOMIC_SEQ_CST);                                                          \
    }                                                                                                                  \
    u##N __castor_exchange_##N(void *p, u##N value, int order) {                                                       \
        (void)order;                                                                                                   \
        count();                                                                                                       \
        return __atomic_exchange_n((u##N *)p, value, __ATOMIC_SEQ_CST);                                                \
    }                                                                                                                  \
    u##N __castor_compare_exchange_##N(void *p, u##N expected, u##N desired, int success, int failure) {               \
        require(success >= 0 && success <= 5 && failure >= 0 && failure <= 5, "no memory order");                      \
        count();                                                                                                       \
        __atomic_compare_exchange_n((u##N *)p, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);             \
        return expected;                                                                                               \
    }                                                                                                                  \
    u##N __castor_volatile_load_##N(const void *p) {                                                                   \
        count();                                                                                                       \
        return *(const volatile u##N *)p;                                                                              \
    }                                                                                                                  \
    void __castor_volatile_store_##N(void *p, u##N value) {                                                            \
        count();                                                                                                       \
        *(volatile u##N *)p = value;                                                                                   \
    }                                                                                                                  \
    void __castor_plain_store_##N(void *p, u##N value) { __castor_volatile_store_##N(p, value); }

FUNCTIONS(1)
FUNCTIONS(2)
FUNCTIONS(4)
FUNCTIONS(8)
FUNCTIONS(16)

uint64_t __castor_rdtsc(void) {
    count();
    return __rdtsc();
}

uint64_t __castor_value(uint64_t value) {
    count();
    return value;
}

void __castor_region_begin(void *p) {
    count();
    regions = 1;
    region = p;
}

void __castor_region_output(void *p, uint64_t size) {
    require(regions == 1, "an output outside a region");
    require(p && size, "an output without memory");
}

void __castor_region_end(void *p) {
    require(regions == 1 && region == p, "an end of another region");
    regions = 0;
}

void __castor_copy(void *to, const void *from, uint64_t size, uint32_t sides) {
    require(sides >= 1 && sides <= 3, "a copy of nothing shared");
    count();
    memmove(to, from, size);
}

void __castor_fill(void *to, int byte, uint64_t size) {
    count();
    memset(to, byte, size);
}

#define EXPORT
#define LIBRARY(type, name, parameters, arguments)                                                                     \
    type __castor_##name parameters {                                                                                  \
        count();                                                                                                       \
        return name arguments;                                                                                         \
    }
CASTOR_MEMORY_FUNCTIONS(LIBRARY)
extern void __chk_fail(void);
CASTOR_CHECKED_FUNCTIONS(CASTOR_CHECKED)

void __castor_poll(void) { count(); }

__attribute__((destructor)) static void report(void) { fprintf(stderr, "%lu\n", (unsigned long)calls); }
