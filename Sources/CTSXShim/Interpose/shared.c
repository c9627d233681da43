/// The compiler plane with -fcastor-order=shared: more than one access makes up what happens to memory here, and each is
/// ordered by itself, as the processor would do them. They are pieces that lie within 16 bytes, so each has one shard.
/// The memory and string functions of the C library that instrumented code calls are here too: libc's own would read and
/// write unseen.
#include "castor_plane.h"
#include "wrappers.h"

#define ACCESSES(N, BITS, LOG, T, S)                          \
    extern T __castor_volatile_load_##N(const void *p);       \
    extern void __castor_plain_store_##N(void *p, T value);
CASTOR_SIZES(ACCESSES)
extern void __chk_fail(void);
extern void *memmove(void *, const void *, size_t), *memset(void *, int, size_t);

// MARK: - Pieces

/// The bytes from an address on that one access takes, of `size`.
static unsigned piece_from(uint64_t at, uint64_t size) {
    uint64_t room = 16 - (at & 15);
    if (size > room) size = room;
    return size >= 16 ? 16 : size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;
}
/// The same of the bytes up to an address.
static unsigned piece_to(uint64_t at, uint64_t size) {
    uint64_t room = (at & 15) ? at & 15 : 16;
    if (size > room) size = room;
    return size >= 16 ? 16 : size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;
}
static unsigned smaller(unsigned a, unsigned b) { return a < b ? a : b; }

static void read_piece(void *to, const void *from, unsigned size) {
#define READ(N, BITS, LOG, T, S)                        \
    case N: {                                           \
        T value = __castor_volatile_load_##N(from);     \
        return (void)__builtin_memcpy(to, &value, N);   \
    }
    switch (size) { CASTOR_SIZES(READ) }
}
static void write_piece(void *to, const void *from, unsigned size) {
#define WRITE(N, BITS, LOG, T, S)                       \
    case N: {                                           \
        T value;                                        \
        __builtin_memcpy(&value, from, N);              \
        return __castor_plain_store_##N(to, value);     \
    }
    switch (size) { CASTOR_SIZES(WRITE) }
}

static void copy_piece(char *to, const char *from, unsigned size, uint32_t sides) {
    char bytes[16];
    if (sides & CASTOR_FROM_SHARED) read_piece(bytes, from, size);
    else castor_copy(bytes, from, size);
    if (sides & CASTOR_TO_SHARED) write_piece(to, bytes, size);
    else castor_copy(to, bytes, size);
}
static unsigned piece(unsigned of_source, unsigned of_target, uint32_t sides) {
    if (!(sides & CASTOR_FROM_SHARED)) return of_target;
    return sides & CASTOR_TO_SHARED ? smaller(of_source, of_target) : of_source;
}

EXPORT void __castor_copy(void *to, const void *from, uint64_t size, uint32_t sides) {
    if (!castor_is_ordered()) return (void)memmove(to, from, size);
    uint64_t target = (uint64_t)to, source = (uint64_t)from;
    if (target - source < size)  // the target's start lies in the source
        while (size) {
            unsigned n = piece(piece_to(source + size, size), piece_to(target + size, size), sides);
            size -= n;
            copy_piece((char *)target + size, (const char *)source + size, n, sides);
        }
    for (uint64_t done = 0; done < size;) {
        unsigned n = piece(piece_from(source + done, size - done), piece_from(target + done, size - done), sides);
        copy_piece((char *)target + done, (const char *)source + done, n, sides);
        done += n;
    }
}

EXPORT void __castor_fill(void *to, int byte, uint64_t size) {
    if (!castor_is_ordered()) return (void)memset(to, byte, size);
    char bytes[16];
    for (int i = 0; i < 16; i++) bytes[i] = (char)byte;
    for (uint64_t done = 0; done < size;) {
        unsigned n = piece_from((uint64_t)to + done, size - done);
        write_piece((char *)to + done, bytes, n);
        done += n;
    }
}

// MARK: - Reading

/// The 16 bytes around the last address that was looked at: a function that goes through memory reads them once.
typedef struct window {
    uint64_t block;
    unsigned char bytes[16];
} window;
#define NOWHERE ((window){1, {0}})

static unsigned char byte_at(window *w, const char *p) {
    uint64_t block = (uint64_t)p & ~15ul;
    if (w->block != block) {
        castor_u128 value = __castor_volatile_load_16((const void *)block);
        castor_copy(w->bytes, &value, 16);
        w->block = block;
    }
    return w->bytes[(uint64_t)p & 15];
}

static uint64_t length_of(const char *s, uint64_t limit) {
    window w = NOWHERE;
    uint64_t n = 0;
    while (n < limit && byte_at(&w, s + n)) n++;
    return n;
}
static int compare(const char *a, const char *b, uint64_t limit, int until_end) {
    window of_a = NOWHERE, of_b = NOWHERE;
    for (uint64_t i = 0; i < limit; i++) {
        int x = byte_at(&of_a, a + i), y = byte_at(&of_b, b + i);
        if (x != y) return x - y;
        if (until_end && !x) break;
    }
    return 0;
}
/// Null if there is none.
static char *find(const char *s, int byte, uint64_t limit, int until_end, int last) {
    window w = NOWHERE;
    const char *found = 0;
    for (uint64_t i = 0; i < limit; i++) {
        unsigned char at = byte_at(&w, s + i);
        if (at == (unsigned char)byte) {
            found = s + i;
            if (!last) break;
        }
        if (until_end && !at) break;
    }
    return (char *)found;
}
/// Copies up to the end of a string or `limit` bytes of it, and returns how many that were without the end.
static uint64_t copy_string(char *to, const char *from, uint64_t limit) {
    window w = NOWHERE;
    uint64_t n = 0;
    while (n < limit) {
        unsigned at = (uint64_t)(from + n) & 15, count = 0;
        int ends = 0;
        byte_at(&w, from + n);
        while (at + count < 16 && n + count < limit && !ends) ends = !w.bytes[at + count++];
        __castor_copy(to + n, w.bytes + at, count, CASTOR_TO_SHARED);
        n += count;
        if (ends) return n - 1;
    }
    return n;
}

// MARK: - The C library's functions

EXPORT void *__castor_memcpy(void *to, const void *from, size_t n) {
    __castor_copy(to, from, n, CASTOR_FROM_SHARED | CASTOR_TO_SHARED);
    return to;
}
EXPORT void *__castor_memmove(void *to, const void *from, size_t n) { return __castor_memcpy(to, from, n); }
EXPORT void *__castor_mempcpy(void *to, const void *from, size_t n) { return (char *)__castor_memcpy(to, from, n) + n; }
EXPORT void *__castor_memset(void *to, int byte, size_t n) {
    __castor_fill(to, byte, n);
    return to;
}
EXPORT void __castor_bzero(void *to, size_t n) { __castor_fill(to, 0, n); }
EXPORT int __castor_memcmp(const void *a, const void *b, size_t n) { return compare(a, b, n, 0); }
EXPORT int __castor_bcmp(const void *a, const void *b, size_t n) { return compare(a, b, n, 0); }
EXPORT void *__castor_memchr(const void *s, int byte, size_t n) { return find(s, byte, n, 0, 0); }
EXPORT void *__castor_memrchr(const void *s, int byte, size_t n) { return find(s, byte, n, 0, 1); }
EXPORT size_t __castor_strlen(const char *s) { return length_of(s, UINT64_MAX); }
EXPORT size_t __castor_strnlen(const char *s, size_t n) { return length_of(s, n); }
EXPORT int __castor_strcmp(const char *a, const char *b) { return compare(a, b, UINT64_MAX, 1); }
EXPORT int __castor_strncmp(const char *a, const char *b, size_t n) { return compare(a, b, n, 1); }
EXPORT char *__castor_strchr(const char *s, int byte) { return find(s, byte, UINT64_MAX, 1, 0); }
EXPORT char *__castor_strrchr(const char *s, int byte) { return find(s, byte, UINT64_MAX, 1, 1); }
EXPORT char *__castor_stpcpy(char *to, const char *from) { return to + copy_string(to, from, UINT64_MAX); }
EXPORT char *__castor_strcpy(char *to, const char *from) {
    copy_string(to, from, UINT64_MAX);
    return to;
}
EXPORT char *__castor_strncpy(char *to, const char *from, size_t n) {
    uint64_t length = copy_string(to, from, n);
    __castor_fill(to + length, 0, n - length);
    return to;
}
EXPORT char *__castor_strcat(char *to, const char *from) {
    copy_string(to + length_of(to, UINT64_MAX), from, UINT64_MAX);
    return to;
}
EXPORT char *__castor_strncat(char *to, const char *from, size_t n) {
    char *end = to + length_of(to, UINT64_MAX);
    __castor_plain_store_1(end + copy_string(end, from, n), 0);
    return to;
}

CASTOR_CHECKED_FUNCTIONS(CASTOR_CHECKED)
