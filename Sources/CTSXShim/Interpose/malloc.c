/// The malloc family, over the deterministic allocator (Allocator.swift). Present also when dormant, so that a
/// program's memory does not change hands.
#include <errno.h>
#include <stddef.h>
#include "wrappers.h"

static void *checked(void *p) {
    if (!p) errno = ENOMEM;
    return p;
}
EXPORT void *malloc(size_t n) { return checked(castor_allocate(n)); }
EXPORT void free(void *p) {
    if (p) castor_free(p);
}
EXPORT void *calloc(size_t n, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(n, size, &total)) return checked(0);
    void *p = castor_allocate(total);
    /* large runs come fresh from the kernel or were given back to it */
    if (p && total <= 32768) castor_zero(p, total);
    return checked(p);
}
EXPORT void *realloc(void *p, size_t n) {
    if (!p) return malloc(n);
    if (!n) {
        castor_free(p);
        return 0;
    }
    uint64_t have = castor_usable(p);
    if (n <= have && (n > have / 2 || have <= 64)) return p;
    void *q = castor_allocate(n);
    if (!q) return checked(0);
    castor_copy(q, p, have < n ? have : n);
    castor_free(p);
    return q;
}
EXPORT void *reallocarray(void *p, size_t n, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(n, size, &total)) return checked(0);
    return realloc(p, total);
}
EXPORT void *memalign(size_t alignment, size_t n) {
    size_t power = 16;
    if (alignment > (size_t)1 << 46) { /* more than there is address space */
        errno = ENOMEM;
        return 0;
    }
    while (power < alignment) power <<= 1;
    return checked(castor_allocate_aligned(power, n));
}
EXPORT void *aligned_alloc(size_t alignment, size_t n) {
    if (!alignment || (alignment & (alignment - 1))) {
        errno = EINVAL;
        return 0;
    }
    return memalign(alignment, n);
}
EXPORT int posix_memalign(void **to, size_t alignment, size_t n) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1))) return EINVAL;
    void *p = castor_allocate_aligned(alignment, n);
    if (!p) return ENOMEM;
    *to = p;
    return 0;
}
EXPORT void *valloc(size_t n) { return memalign(4096, n); }
EXPORT void *pvalloc(size_t n) { return memalign(4096, (n + 4095) & ~(size_t)4095); }
EXPORT size_t malloc_usable_size(void *p) { return p ? castor_usable(p) : 0; }
EXPORT int malloc_trim(size_t pad) {
    (void)pad;
    return 0;
}
