/// libcastor.so: what programs built with `castor cc` are linked with. It answers the compiler plane's calls with the
/// plain operations. Under `castor record` and `castor replay` the preloaded runtime answers in its place.
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "castor.h"
#include "castor_plane.h"

#define EXPORT __attribute__((visibility("default")))

#define ANSWER(N, BITS, LOG, T, S)                                                                                 \
    EXPORT T __castor_load_##N(const void *p, int order) { (void)order; return castor_native_load_##N(p); }        \
    EXPORT void __castor_store_##N(void *p, T value, int order) { (void)order; castor_native_store_##N(p, value); } \
    EXPORT T __castor_exchange_##N(void *p, T value, int order) { (void)order; return castor_native_exchange_##N(p, value); } \
    EXPORT T __castor_compare_exchange_##N(void *p, T expected, T desired, int success, int failure) {             \
        (void)success, (void)failure;                                                                              \
        return castor_native_compare_exchange_##N(p, expected, desired);                                           \
    }                                                                                                              \
    EXPORT T __castor_volatile_load_##N(const void *p) { return castor_native_volatile_load_##N(p); }              \
    EXPORT void __castor_volatile_store_##N(void *p, T value) { castor_native_volatile_store_##N(p, value); }      \
    EXPORT void __castor_plain_store_##N(void *p, T value) { castor_native_volatile_store_##N(p, value); }
CASTOR_SIZES(ANSWER)

#define ANSWER_FETCH_SIZE(N, T, name) \
    EXPORT T __castor_##name##_##N(void *p, T value, int order) { (void)order; return castor_native_##name##_##N(p, value); }
#define ANSWER_FETCH(name, NAME, expression)                                                          \
    ANSWER_FETCH_SIZE(1, uint8_t, name) ANSWER_FETCH_SIZE(2, uint16_t, name)                          \
    ANSWER_FETCH_SIZE(4, uint32_t, name) ANSWER_FETCH_SIZE(8, uint64_t, name) ANSWER_FETCH_SIZE(16, castor_u128, name)
CASTOR_FETCH_OPS(ANSWER_FETCH)

CASTOR_SIZES(CASTOR_ALIASES)

EXPORT uint64_t __castor_rdtsc(void) { return __builtin_ia32_rdtsc(); }
EXPORT uint64_t __castor_value(uint64_t value) { return value; }
EXPORT void __castor_region_begin(void *p) { (void)p; }
EXPORT void __castor_region_output(void *p, uint64_t size) { (void)p, (void)size; }
EXPORT void __castor_region_end(void *p) { (void)p; }
EXPORT void __castor_poll(void) {}

EXPORT void __castor_copy(void *to, const void *from, uint64_t size, uint32_t sides) { (void)sides, memmove(to, from, size); }
EXPORT void __castor_fill(void *to, int byte, uint64_t size) { memset(to, byte, size); }
#define PASS_ON(type, name, parameters, arguments) \
    EXPORT type __castor_##name parameters { return name arguments; }
CASTOR_MEMORY_FUNCTIONS(PASS_ON)
extern void __chk_fail(void);
CASTOR_CHECKED_FUNCTIONS(CASTOR_CHECKED)

CASTOR_TSAN_NOTES
CASTOR_SIZES(CASTOR_TSAN_ACCESS)
EXPORT void *__tsan_memcpy(void *to, const void *from, size_t n) { return memcpy(to, from, n); }
EXPORT void *__tsan_memmove(void *to, const void *from, size_t n) { return memmove(to, from, n); }
EXPORT void *__tsan_memset(void *to, int byte, size_t n) { return memset(to, byte, n); }

EXPORT int castor_printf(const char *format, ...) {
    va_list list;
    va_start(list, format);
    int length = vfprintf(stderr, format, list);
    va_end(list);
    return length;
}
EXPORT void castor_assert_failed(const char *condition, const char *file, int line, const char *function) {
    castor_printf("%s:%d: %s: castor_assert(%s) failed\n", file, line, function, condition);
    abort();
}
