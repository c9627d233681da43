/// The compiler plane's operations as the processor does them: shared by libcastor.so, which does nothing else, and by
/// the runtime, which records around them. See docs/INSTRUMENTATION.md.
#pragma once
#include <stdint.h>
#include <stdbool.h>

typedef unsigned __int128 castor_u128;
typedef __int128 castor_i128;

/// X(bytes, bits, log2 of the bytes, unsigned type, signed type)
#define CASTOR_SIZES_TO_8(X)          \
    X(1, 8, 0, uint8_t, int8_t)       \
    X(2, 16, 1, uint16_t, int16_t)    \
    X(4, 32, 2, uint32_t, int32_t)    \
    X(8, 64, 3, uint64_t, int64_t)
#define CASTOR_SIZES(X) CASTOR_SIZES_TO_8(X) X(16, 128, 4, castor_u128, castor_i128)

/// X(name, NAME, new value from `old` and `value`; S is the signed type)
#define CASTOR_FETCH_OPS(X)                                       \
    X(fetch_add, FETCH_ADD, old + value)                          \
    X(fetch_sub, FETCH_SUB, old - value)                          \
    X(fetch_and, FETCH_AND, old & value)                          \
    X(fetch_or, FETCH_OR, old | value)                            \
    X(fetch_xor, FETCH_XOR, old ^ value)                          \
    X(fetch_nand, FETCH_NAND, ~(old & value))                     \
    X(fetch_max, FETCH_MAX, (S)old > (S)value ? old : value)      \
    X(fetch_min, FETCH_MIN, (S)old < (S)value ? old : value)      \
    X(fetch_umax, FETCH_UMAX, old > value ? old : value)          \
    X(fetch_umin, FETCH_UMIN, old < value ? old : value)

#define CASTOR_NATIVE static inline __attribute__((always_inline))

/// All are sequentially consistent, whatever order the program asks for.
#define CASTOR_NATIVE_BASE(N, BITS, LOG, T, S_)                                                        \
    CASTOR_NATIVE T castor_native_load_##N(const void *p) { return __atomic_load_n((const T *)p, __ATOMIC_SEQ_CST); } \
    CASTOR_NATIVE void castor_native_store_##N(void *p, T value) { __atomic_store_n((T *)p, value, __ATOMIC_SEQ_CST); } \
    CASTOR_NATIVE T castor_native_exchange_##N(void *p, T value) {                                      \
        return __atomic_exchange_n((T *)p, value, __ATOMIC_SEQ_CST);                                    \
    }                                                                                                   \
    CASTOR_NATIVE T castor_native_compare_exchange_##N(void *p, T expected, T desired) {                \
        return __sync_val_compare_and_swap((T *)p, expected, desired);                                  \
    }
CASTOR_SIZES_TO_8(CASTOR_NATIVE_BASE)
#undef CASTOR_NATIVE_BASE

/// 16 bytes by cmpxchg16b, as libatomic does: a load writes, but only where the program may write too.
CASTOR_NATIVE castor_u128 castor_native_compare_exchange_16(void *p, castor_u128 expected, castor_u128 desired) {
    uint64_t low = (uint64_t)expected, high = (uint64_t)(expected >> 64);
    __asm__ volatile("lock cmpxchg16b %0"
                     : "+m"(*(castor_u128 *)p), "+a"(low), "+d"(high)
                     : "b"((uint64_t)desired), "c"((uint64_t)(desired >> 64))
                     : "memory", "cc");
    return (castor_u128)high << 64 | low;
}
CASTOR_NATIVE castor_u128 castor_native_load_16(const void *p) { return castor_native_compare_exchange_16((void *)p, 0, 0); }
CASTOR_NATIVE castor_u128 castor_native_exchange_16(void *p, castor_u128 value) {
    castor_u128 old = 0, seen;
    while ((seen = castor_native_compare_exchange_16(p, old, value)) != old) old = seen;
    return old;
}
CASTOR_NATIVE void castor_native_store_16(void *p, castor_u128 value) { castor_native_exchange_16(p, value); }

/// Volatile accesses are plain ones, of 16 bytes in two halves.
#define CASTOR_NATIVE_VOLATILE(N, BITS, LOG, T, S_)                                                       \
    CASTOR_NATIVE T castor_native_volatile_load_##N(const void *p) { return *(const volatile T *)p; }     \
    CASTOR_NATIVE void castor_native_volatile_store_##N(void *p, T value) { *(volatile T *)p = value; }
CASTOR_SIZES(CASTOR_NATIVE_VOLATILE)
#undef CASTOR_NATIVE_VOLATILE

#define CASTOR_NATIVE_FETCH(N, T, S_, name, expression)                     \
    CASTOR_NATIVE T castor_native_##name##_##N(void *p, T value) {          \
        typedef S_ S;                                                       \
        T old = *(const volatile T *)p, seen;                               \
        (void)sizeof(S);                                                    \
        while ((seen = castor_native_compare_exchange_##N(p, old, (T)(expression))) != old) old = seen; \
        return old;                                                         \
    }
#define CASTOR_NATIVE_DIRECT(N, T, name, builtin) \
    CASTOR_NATIVE T castor_native_##name##_##N(void *p, T value) { return builtin((T *)p, value, __ATOMIC_SEQ_CST); }
#define CASTOR_NATIVE_ALL(N, BITS, LOG, T, S_)                                                         \
    CASTOR_NATIVE_DIRECT(N, T, fetch_add, __atomic_fetch_add)                                          \
    CASTOR_NATIVE_DIRECT(N, T, fetch_sub, __atomic_fetch_sub)                                          \
    CASTOR_NATIVE_FETCH(N, T, S_, fetch_and, old & value)                                              \
    CASTOR_NATIVE_FETCH(N, T, S_, fetch_or, old | value)                                               \
    CASTOR_NATIVE_FETCH(N, T, S_, fetch_xor, old ^ value)                                              \
    CASTOR_NATIVE_FETCH(N, T, S_, fetch_nand, ~(old & value))                                          \
    CASTOR_NATIVE_FETCH(N, T, S_, fetch_max, (S)old > (S)value ? old : value)                          \
    CASTOR_NATIVE_FETCH(N, T, S_, fetch_min, (S)old < (S)value ? old : value)                          \
    CASTOR_NATIVE_FETCH(N, T, S_, fetch_umax, old > value ? old : value)                               \
    CASTOR_NATIVE_FETCH(N, T, S_, fetch_umin, old < value ? old : value)
CASTOR_SIZES_TO_8(CASTOR_NATIVE_ALL)
#undef CASTOR_NATIVE_ALL
#define CASTOR_NATIVE_16(name, NAME, expression) CASTOR_NATIVE_FETCH(16, castor_u128, castor_i128, name, expression)
CASTOR_FETCH_OPS(CASTOR_NATIVE_16)
#undef CASTOR_NATIVE_16
#undef CASTOR_NATIVE_FETCH
#undef CASTOR_NATIVE_DIRECT

// MARK: - Memory in pieces

/// Which sides of a copy other threads may see.
enum { CASTOR_FROM_SHARED = 1, CASTOR_TO_SHARED = 2 };

/// The C library's functions on memory and strings that code built with -fcastor-order=shared calls as `__castor_NAME`.
/// X(result, name, parameters, arguments)
#define CASTOR_MEMORY_FUNCTIONS(X)                                                                  \
    X(void *, memcpy, (void *to, const void *from, size_t n), (to, from, n))                        \
    X(void *, memmove, (void *to, const void *from, size_t n), (to, from, n))                       \
    X(void *, mempcpy, (void *to, const void *from, size_t n), (to, from, n))                       \
    X(void *, memset, (void *to, int byte, size_t n), (to, byte, n))                                \
    X(void, bzero, (void *to, size_t n), (to, n))                                                   \
    X(int, memcmp, (const void *a, const void *b, size_t n), (a, b, n))                             \
    X(int, bcmp, (const void *a, const void *b, size_t n), (a, b, n))                               \
    X(void *, memchr, (const void *s, int byte, size_t n), (s, byte, n))                            \
    X(void *, memrchr, (const void *s, int byte, size_t n), (s, byte, n))                           \
    X(size_t, strlen, (const char *s), (s))                                                         \
    X(size_t, strnlen, (const char *s, size_t n), (s, n))                                           \
    X(int, strcmp, (const char *a, const char *b), (a, b))                                          \
    X(int, strncmp, (const char *a, const char *b, size_t n), (a, b, n))                            \
    X(char *, strchr, (const char *s, int byte), (s, byte))                                         \
    X(char *, strrchr, (const char *s, int byte), (s, byte))                                        \
    X(char *, strcpy, (char *to, const char *from), (to, from))                                     \
    X(char *, stpcpy, (char *to, const char *from), (to, from))                                     \
    X(char *, strncpy, (char *to, const char *from, size_t n), (to, from, n))                       \
    X(char *, strcat, (char *to, const char *from), (to, from))                                     \
    X(char *, strncat, (char *to, const char *from, size_t n), (to, from, n))
/// Those whose fortified form, `__NAME_chk`, is called as `__castor_NAME_chk`; `wanted` bytes are written.
/// X(result, name, parameters, arguments, wanted)
#define CASTOR_CHECKED_FUNCTIONS(X)                                                                 \
    X(void *, memcpy, (void *to, const void *from, size_t n, size_t room), (to, from, n), n)        \
    X(void *, memmove, (void *to, const void *from, size_t n, size_t room), (to, from, n), n)       \
    X(void *, mempcpy, (void *to, const void *from, size_t n, size_t room), (to, from, n), n)       \
    X(void *, memset, (void *to, int byte, size_t n, size_t room), (to, byte, n), n)                \
    X(char *, strncpy, (char *to, const char *from, size_t n, size_t room), (to, from, n), n)       \
    X(char *, strcpy, (char *to, const char *from, size_t room), (to, from), __castor_strlen(from) + 1) \
    X(char *, stpcpy, (char *to, const char *from, size_t room), (to, from), __castor_strlen(from) + 1) \
    X(char *, strcat, (char *to, const char *from, size_t room), (to, from), __castor_strlen(to) + __castor_strlen(from) + 1)
#define CASTOR_CHECKED(type, name, parameters, arguments, wanted) \
    EXPORT type __castor_##name##_chk parameters {                \
        if ((wanted) > room) __chk_fail();                        \
        return __castor_##name arguments;                         \
    }

// MARK: - Every name the plane answers to

/// ThreadSanitizer's and libatomic's names in terms of the plane's own, so that the two libraries answer alike.
/// `EXPORT` marks definitions.
#define CASTOR_ALIASES_BASE(N, BITS, LOG, T, S_)                                                               \
    EXPORT T __tsan_atomic##BITS##_load(const T *p, int order) { return __castor_load_##N(p, order); }         \
    EXPORT void __tsan_atomic##BITS##_store(T *p, T value, int order) { __castor_store_##N(p, value, order); } \
    EXPORT T __tsan_atomic##BITS##_exchange(T *p, T value, int order) { return __castor_exchange_##N(p, value, order); } \
    EXPORT T __tsan_atomic##BITS##_compare_exchange_val(T *p, T expected, T desired, int success, int failure) { \
        return __castor_compare_exchange_##N(p, expected, desired, success, failure);                          \
    }                                                                                                          \
    EXPORT int __tsan_atomic##BITS##_compare_exchange_strong(T *p, T *expected, T desired, int success, int failure) { \
        T old = __castor_compare_exchange_##N(p, *expected, desired, success, failure);                        \
        bool did = old == *expected;                                                                           \
        *expected = old;                                                                                       \
        return did;                                                                                            \
    }                                                                                                          \
    EXPORT int __tsan_atomic##BITS##_compare_exchange_weak(T *p, T *expected, T desired, int success, int failure) { \
        return __tsan_atomic##BITS##_compare_exchange_strong(p, expected, desired, success, failure);          \
    }
#define CASTOR_ALIASES_FETCH(N, BITS, T, op) \
    EXPORT T __tsan_atomic##BITS##_fetch_##op(T *p, T value, int order) { return __castor_fetch_##op##_##N(p, value, order); }
#define CASTOR_ALIASES(N, BITS, LOG, T, S_)                                                       \
    CASTOR_ALIASES_BASE(N, BITS, LOG, T, S_)                                                      \
    CASTOR_ALIASES_FETCH(N, BITS, T, add) CASTOR_ALIASES_FETCH(N, BITS, T, sub)                   \
    CASTOR_ALIASES_FETCH(N, BITS, T, and) CASTOR_ALIASES_FETCH(N, BITS, T, or)                    \
    CASTOR_ALIASES_FETCH(N, BITS, T, xor) CASTOR_ALIASES_FETCH(N, BITS, T, nand)

/// The rest of what compilers call when they instrument for ThreadSanitizer: it tells of plain accesses, frames and
/// locks, and nothing is made of that.
#define CASTOR_TSAN_NOTES                                                                                       \
    EXPORT void __tsan_init(void) {}                                                                            \
    EXPORT void __tsan_func_entry(void *at) { (void)at; }                                                       \
    EXPORT void __tsan_func_exit(void) {}                                                                       \
    EXPORT void __tsan_ignore_thread_begin(void) {}                                                             \
    EXPORT void __tsan_ignore_thread_end(void) {}                                                               \
    EXPORT void *__tsan_external_register_tag(const char *name) { return (void *)name; }                        \
    EXPORT void __tsan_external_register_header(void *tag, const char *header) { (void)tag, (void)header; }     \
    EXPORT void __tsan_external_assign_tag(void *at, void *tag) { (void)at, (void)tag; }                        \
    EXPORT void __tsan_external_read(void *at, void *from, void *tag) { (void)at, (void)from, (void)tag; }      \
    EXPORT void __tsan_external_write(void *at, void *from, void *tag) { (void)at, (void)from, (void)tag; }     \
    EXPORT void __tsan_acquire(void *at) { (void)at; }                                                          \
    EXPORT void __tsan_release(void *at) { (void)at; }                                                          \
    EXPORT void __tsan_vptr_update(void **at, void *now) { (void)at, (void)now; }                               \
    EXPORT void __tsan_vptr_read(void **at) { (void)at; }                                                       \
    EXPORT void __tsan_read_range(void *at, unsigned long size) { (void)at, (void)size; }                       \
    EXPORT void __tsan_write_range(void *at, unsigned long size) { (void)at, (void)size; }                      \
    EXPORT void __tsan_atomic_thread_fence(int order) { (void)order; __atomic_thread_fence(__ATOMIC_SEQ_CST); } \
    EXPORT void __tsan_atomic_signal_fence(int order) { (void)order; __atomic_signal_fence(__ATOMIC_SEQ_CST); }
#define CASTOR_TSAN_ACCESS(N, BITS, LOG, T, S)                                    \
    EXPORT void __tsan_read##N(void *at) { (void)at; }                            \
    EXPORT void __tsan_write##N(void *at) { (void)at; }                           \
    EXPORT void __tsan_volatile_read##N(void *at) { (void)at; }                   \
    EXPORT void __tsan_volatile_write##N(void *at) { (void)at; }                  \
    EXPORT void __tsan_unaligned_read##N(void *at) { (void)at; }                  \
    EXPORT void __tsan_unaligned_write##N(void *at) { (void)at; }
