// Every operation that is instrumented. Prints what it computes: the same with a plugin as without.
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <x86intrin.h>

typedef unsigned __int128 wide;

#define SHOW(what, value) printf("%-24s %llx\n", what, (unsigned long long)(value))
#define SHOW_WIDE(what, value) (SHOW(what, value), SHOW("  upper half", (wide)(value) >> 64))

// Negative at first, so that signed and unsigned orders differ.
#define SIZE(T)                                                                                                        \
    static void atomics_##T(void) {                                                                                    \
        static _Atomic(T) a = (T)-3;                                                                                   \
        T e = 1;                                                                                                       \
        SHOW("load", atomic_load_explicit(&a, memory_order_acquire));                                                  \
        SHOW("add", atomic_fetch_add(&a, 7));                                                                          \
        SHOW("sub", atomic_fetch_sub_explicit(&a, 100, memory_order_relaxed));                                         \
        SHOW("or", atomic_fetch_or(&a, 0x51));                                                                         \
        SHOW("and", atomic_fetch_and(&a, 0x7f));                                                                       \
        SHOW("xor", atomic_fetch_xor(&a, (T)-1));                                                                      \
        SHOW("exchange", atomic_exchange(&a, 5));                                                                      \
        SHOW("cas fails", atomic_compare_exchange_strong(&a, &e, 9));                                                  \
        SHOW("expected", e);                                                                                           \
        SHOW("cas succeeds", atomic_compare_exchange_strong_explicit(&a, &e, (T)-2, memory_order_acq_rel,              \
                                                                     memory_order_relaxed));                           \
        while (!atomic_compare_exchange_weak(&a, &e, 0x7a)) {}                                                         \
        SHOW("weak", e);                                                                                               \
        SHOW("new value", ++a);                                                                                        \
        SHOW("new value", __atomic_or_fetch((T *)&a, 0x11, __ATOMIC_SEQ_CST));                                         \
        SHOW("new value", __atomic_sub_fetch((T *)&a, 3, __ATOMIC_SEQ_CST));                                           \
        SHOW("nand", __atomic_fetch_nand((T *)&a, 0x3c, __ATOMIC_SEQ_CST));                                            \
        SHOW("new nand", __atomic_nand_fetch((T *)&a, 0x55, __ATOMIC_SEQ_CST));                                        \
        SHOW("sync add", __sync_fetch_and_add((T *)&a, 2));                                                            \
        SHOW("sync new", __sync_xor_and_fetch((T *)&a, 0x1f));                                                         \
        SHOW("sync cas", __sync_bool_compare_and_swap((T *)&a, (T)1, (T)2));                                           \
        SHOW("sync value", __sync_val_compare_and_swap((T *)&a, (T)a, (T)77));                                         \
        SHOW("sync set", __sync_lock_test_and_set((T *)&a, 1));                                                        \
        __sync_lock_release((T *)&a);                                                                                  \
        MINMAX(T)                                                                                                      \
        atomic_store_explicit(&a, 0x2f, memory_order_release);                                                         \
        SHOW("bit", atomic_fetch_or(&a, 1 << 4) & (1 << 4));                                                           \
        SHOW("zero", atomic_fetch_sub(&a, 0x3f) == 0x3f);                                                              \
        SHOW_WIDE("final", a);                                                                                         \
    }                                                                                                                  \
    __attribute__((unused)) static void volatiles_##T(void) {                                                          \
        static volatile T v = (T)-9;                                                                                   \
        static volatile struct { char c; T t; } __attribute__((packed)) odd = {1, 2};                                  \
        v += 4;                                                                                                        \
        odd.t = v;                                                                                                     \
        odd.t++;                                                                                                       \
        SHOW_WIDE("volatile", v);                                                                                      \
        SHOW_WIDE("packed", odd.t);                                                                                    \
    }
#ifdef __clang__
#define MINMAX(T)                                                                                                      \
    SHOW("max", __atomic_fetch_max((T *)&a, (T)-5, __ATOMIC_SEQ_CST));                                                 \
    SHOW("min", __atomic_fetch_min((T *)&a, (T)4, __ATOMIC_SEQ_CST));
#else
#define MINMAX(T)
#endif

SIZE(uint8_t)
SIZE(int8_t)
SIZE(uint16_t)
SIZE(int16_t)
SIZE(uint32_t)
SIZE(int32_t)
SIZE(uint64_t)
SIZE(int64_t)

static void others(void) {
    static _Atomic wide w = 3;
    static int target[4];
    static _Atomic(int *) p = target;
    static _Atomic float f = 1.5f;
    static _Atomic double d = 0.25;
    static _Atomic bool b;
    static atomic_flag flag = ATOMIC_FLAG_INIT;
    wide expected = 3;
    SHOW("wide cas", atomic_compare_exchange_strong(&w, &expected, ((wide)5 << 64) | 6));
    SHOW_WIDE("wide exchange", atomic_exchange(&w, (wide)-1));
    SHOW_WIDE("wide add", atomic_fetch_add(&w, 2));
    SHOW_WIDE("wide", w);
    SHOW("pointer", atomic_exchange(&p, target + 2) - target);
    SHOW("pointer", p - target);
    f += 2;
    d *= 3;
    printf("%f %f\n", (double)f, d);
    SHOW("bool", atomic_exchange(&b, true));
    SHOW("bool", b);
    SHOW("flag", atomic_flag_test_and_set(&flag));
    SHOW("flag", atomic_flag_test_and_set(&flag));
    atomic_flag_clear(&flag);
    SHOW("flag", atomic_flag_test_and_set(&flag));
    atomic_thread_fence(memory_order_seq_cst);
}

struct block {
    int64_t words[9];
};
static volatile struct block first = {{1, 2, 3}}, second;
static volatile long double precise = 1.25L;
static volatile double real = 2.5;
static volatile float small = 0.5f;
static volatile __m128i vector;
static volatile struct { unsigned a : 3, b : 7, c : 22; } bits = {5, 99, 1000};
static volatile bool ready;
static int *volatile where;

static void moreVolatiles(void) {
    volatile int local = 4;
    second = first;
    struct block copy = second;
    SHOW("copied", copy.words[2] + local);
    precise += 1;
    real *= 2;
    small += (float)real;
    printf("%Lf %f %f\n", precise, real, (double)small);
    vector = _mm_set1_epi32(7);
    SHOW("vector", _mm_cvtsi128_si32(vector));
    bits.b++, bits.c = 5;
    SHOW("bits", bits.a + bits.b + bits.c);
    ready = true;
    SHOW("bool", ready);
    where = &(int){3};
    SHOW("pointer", *where);
}

static void assembly(void) {
    static uint64_t memory = 10;
    static struct block block;
    uint64_t old = 5, a = 7;
    uint32_t leaf = 0, b, c, d;
    bool carry;
    __asm__ volatile("lock; xaddq %0, %1" : "+r"(old), "+m"(memory));
    SHOW("xadd", old + memory);
    __asm__ volatile("lock{;} incq (%0)" ::"r"(&memory) : "memory");
    SHOW("inc", memory);
    __asm__ volatile("xchgq %0, %1" : "+r"(a), "+m"(memory));
    SHOW("xchg", a * 100 + memory);
    __asm__("lock; btsq $5, %1" : "=@ccc"(carry), "+m"(memory));
    SHOW("bts", memory + carry);
    __asm__("bswap %0" : "+r"(a));
    SHOW("bswap", a);
    __asm__ volatile("cpuid" : "+a"(leaf), "=b"(b), "=c"(c), "=d"(d));
    printf("%.4s%.4s%.4s\n", (char *)&b, (char *)&d, (char *)&c);
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    SHOW("counter", (low | high) != 0);
    __asm__ volatile("" ::: "memory");
    __asm__ volatile("rep; nop\n\t" ::: "memory");
    void *to = &block;
    const void *from = (const void *)&first;
    uint64_t count = sizeof block;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
    SHOW("movsb", block.words[1]);
}

__attribute__((target("rdrnd,rdseed"))) static void values(void) {
    unsigned aux;
    unsigned long long random = 0, start = __rdtsc();
    SHOW("rdtscp", __rdtscp(&aux) > start);
    SHOW("aux", aux < 1 << 20);
    SHOW("rdrand", _rdrand64_step(&random) ? random != 0 : 1);
}

#include "native_plain.h"

static _Atomic int total;
static atomic_flag held = ATOMIC_FLAG_INIT;
static int guarded;

__attribute__((annotate("castor_ignore"), unused)) static int ignored(void) { return total; }

static void *work(void *unused) {
    for (int i = 0; i < 20000; i++) {
        total++;
        while (atomic_flag_test_and_set_explicit(&held, memory_order_acquire)) _mm_pause();
        guarded++;
        atomic_flag_clear_explicit(&held, memory_order_release);
    }
    return unused;
}

int main(void) {
    atomics_uint8_t(), atomics_int8_t(), atomics_uint16_t(), atomics_int16_t();
    atomics_uint32_t(), atomics_int32_t(), atomics_uint64_t(), atomics_int64_t();
    volatiles_uint8_t(), volatiles_int16_t(), volatiles_uint32_t(), volatiles_int64_t();
    others();
    moreVolatiles();
    assembly();
    values();
    plain();
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    printf("%d %d %d\n", total, guarded, ignored());
}
