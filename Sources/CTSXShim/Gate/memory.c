/// Byte operations and hashing with general registers only: the gate runs with the program's vector registers
/// live, so libc's versions must never be reached from it. The compiler may call these names by itself.
#define XXH_INLINE_ALL
#define XXH_VECTOR 0 /* scalar */
#define XXH_NO_STREAM
#define XXH_FORCE_MEMORY_ACCESS 1 /* loads, not calls of memcpy: this is compiled without builtins */
#include <xxhash.h>
#include "castor_gate.h"

void *memcpy(void *to, const void *from, size_t n) CASTOR_HIDDEN;
void *memmove(void *to, const void *from, size_t n) CASTOR_HIDDEN;
void *memset(void *to, int c, size_t n) CASTOR_HIDDEN;
int memcmp(const void *a, const void *b, size_t n) CASTOR_HIDDEN;
size_t strlen(const char *s) CASTOR_HIDDEN;

/// Four words at once, up to 128 bytes: shorter than the start-up of rep movsb. The last ones may overlap those before; the two
/// places never do.
void castor_copy(void *to, const void *from, uint64_t n) {
    char *t = to;
    const char *f = from;
    if (n >= 32 && n <= 128) {
        const char *last = f + n - 32;
#pragma clang loop unroll(disable)
        for (; f < last; f += 32, t += 32) __builtin_memcpy(t, f, 32);
        __builtin_memcpy((char *)to + n - 32, last, 32);
        return;
    }
    if (n >= 8 && n < 32) {
        const char *last = f + n - 8;
#pragma clang loop unroll(disable)
        for (; f < last; f += 8, t += 8) __builtin_memcpy(t, f, 8);
        __builtin_memcpy((char *)to + n - 8, last, 8);
        return;
    }
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}
void castor_zero(void *to, uint64_t n) { __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory"); }
uint64_t castor_length(const char *s) { return strlen(s); }
uint64_t castor_hash(const void *bytes, uint64_t length) { return XXH3_64bits(bytes, length); }
uint64_t castor_hash_seeded(const void *bytes, uint64_t length, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, length, seed);
}
/// libc names threads by a file whose path has the number that it got from the kernel; that is left out.
uint64_t castor_hash_path(const char *path) {
    static const char tasks[] = "/proc/self/task/";
    uint64_t head = 0;
    while (head < sizeof tasks - 1 && path[head] == tasks[head]) head++;
    if (head < sizeof tasks - 1) return castor_hash(path, castor_length(path));
    while (path[head] >= '0' && path[head] <= '9') head++;
    return castor_hash_seeded(path + head, castor_length(path + head), sizeof tasks);
}

void *memcpy(void *to, const void *from, size_t n) {
    void *r = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
    return r;
}
void *memmove(void *to, const void *from, size_t n) {
    if ((uintptr_t)to - (uintptr_t)from >= n) return memcpy(to, from, n);
    unsigned char *t = (unsigned char *)to + n;
    const unsigned char *f = (const unsigned char *)from + n;
    while (n--) {
        *--t = *--f;
        __asm__ volatile("" ::: "memory");
    }
    return to;
}
void *memset(void *to, int c, size_t n) {
    void *r = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
    return r;
}
int memcmp(const void *a, const void *b, size_t n) {
    const unsigned char *x = a, *y = b;
    for (; n; n--, x++, y++) {
        if (*x != *y) return *x - *y;
        __asm__ volatile("" ::: "memory");
    }
    return 0;
}
size_t strlen(const char *s) {
    const char *p = s;
    while (*p) {
        p++;
        __asm__ volatile("" ::: "memory");
    }
    return (size_t)(p - s);
}
