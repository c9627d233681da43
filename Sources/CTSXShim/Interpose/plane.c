/// The compiler plane while a program is recorded or replayed: what its atomics, volatiles, non-deterministic
/// instructions and inline assembly call (docs/INSTRUMENTATION.md).
///
/// A write takes its shard's lock, does the processor's own operation and logs the version that it found. A load reads word,
/// value and word again, and logs a version at which the value held; it holds nobody up. Replay (Plane.swift) lets a write go
/// at its version, and a load from its version on. What a shard's owner does is counted (shards.h).
///
/// The real operation stays a locked one, for code that was not instrumented and the kernel change the same words.
#include "castor_plane.h"
#include "wrappers.h"
#include "shards.h"

#define NR(OP, LOG) (uint16_t)(CASTOR_OP_##OP * 8 + LOG)

/// Memory that faults does so here, before anything is held or expected.
#define TOUCH(p) (void)*(const volatile uint8_t *)(p)
/// Memory that may only be read: recording finds out in the operation, of which nothing is then logged.
#define TOUCH_TO_WRITE(p) __asm__ volatile("lock orb $0, %0" : "+m"(*(volatile uint8_t *)(p)) : : "cc")

#define ATOMIC(T, p, nr, value, expected, operation)                                                        \
    do {                                                                                                    \
        if (!castor_is_ordered()) return operation;                                                         \
        TOUCH(p);                                                                                           \
        if (castor_replays()) {                                                      \
            settle();                                                                                       \
            TOUCH_TO_WRITE(p);                                                                              \
            if (replay_in_row()) {                                                                          \
                T now_ = operation;                                                                         \
                replayed_in_row(p, nr, now_, operands(value, expected));                                    \
                return now_;                                                                                \
            }                                                                                               \
            castor_u128 old_;                                                                               \
            uint32_t shard_ = castor_replay_write(nr, (uint64_t)(p), operands(value, expected), (uint64_t *)&old_); \
            (void)operation;                                                                                \
            castor_replayed_write(shard_);                                                                  \
            return (T)old_;                                                                                 \
        }                                                                                                   \
        castor_boundary_at(p);                                                                              \
        castor_ring *ring_ = castor_self.ring;                                                              \
        if (!ring_) return operation;                                                                       \
        uint32_t shard_ = shard_of(p);                                                                      \
        uint64_t *word_ = castor_version(castor_seg, shard_), found_;                                       \
        IN_ROW(ring_, word_, shard_, {                                                                      \
            T old_ = operation;                                                                             \
            END_IN_ROW(ring_, word_);                                                                       \
            mix(p, nr, old_, operands(value, expected));                                                    \
            return old_;                                                                                    \
        })                                                                                                  \
        if (!make_room(ring_, WRITE_LENGTH) || (found_ = take(ring_, word_, shard_)) == NOT_TAKEN) return operation; \
        T old_ = operation;                                                                                 \
        give(ring_, word_, found_);                                                                         \
        publish(ring_, CASTOR_EV_ATOMIC, nr, shard_, castor_word_version(found_), p, old_, value, expected);         \
        return old_;                                                                                        \
    } while (0)

/// Does `body` if the shard is this thread's own: between its count and END_IN_ROW the shard is locked.
#define IN_ROW(ring, word, shard, body)                                                                     \
    {                                                                                                       \
        castor_owned *own_ = &castor_self.owned;                                                            \
        uint64_t now_;                                                                                      \
        if (is_own(castor_load(word)) && enter_row(ring) && is_own(now_ = castor_load(word)) &&             \
            !(now_ & CASTOR_WORD_LOCKS) && lock(ring, word, shard, now_, CASTOR_WORD_OWNERS_LOCK)) {        \
            own_->inside = 1;                                                                               \
            count(own_);                                                                                    \
            body                                                                                            \
        }                                                                                                   \
    }
/// The word stays the same while its owner writes; others see by the count beside it that it has.
#define END_IN_ROW(ring, word) (castor_self.owned.inside = 0, castor_store(word + 1, word[1] + 1), unlock(ring, word, now_))

/// A plain store is not compared: what it writes may be a structure's padding, which has no value. Replay writes what was
/// written, where the log has it.
#define PLAIN_STORE(T, p, nr, value, write)                                                                 \
    do {                                                                                                    \
        if (!castor_is_ordered()) return write(p, value);                                                   \
        TOUCH(p);                                                                                           \
        if (castor_replays()) {                                                      \
            settle();                                                                                       \
            TOUCH_TO_WRITE(p);                                                                              \
            if (replay_in_row()) {                                                                          \
                write(p, value);                                                                            \
                return replayed_in_row(p, nr, 0, 0);                                                        \
            }                                                                                               \
            castor_u128 written_;                                                                           \
            uint32_t shard_ = castor_replay_write(nr, (uint64_t)(p), 0, (uint64_t *)&written_);             \
            write(p, (T)written_);                                                                          \
            return castor_replayed_write(shard_);                                                           \
        }                                                                                                   \
        castor_boundary();                                                                                  \
        castor_ring *ring_ = castor_self.ring;                                                              \
        if (!ring_) return write(p, value);                                                                 \
        uint32_t shard_ = shard_of(p);                                                                      \
        uint64_t *word_ = castor_version(castor_seg, shard_), found_;                                       \
        IN_ROW(ring_, word_, shard_, {                                                                      \
            write(p, value);                                                                                \
            END_IN_ROW(ring_, word_);                                                                       \
            return mix(p, nr, 0, 0);                                                                        \
        })                                                                                                  \
        if (!make_room(ring_, WRITE_LENGTH) || (found_ = take(ring_, word_, shard_)) == NOT_TAKEN)          \
            return write(p, value);                                                                         \
        write(p, value);                                                                                    \
        give(ring_, word_, found_);                                                                         \
        publish(ring_, CASTOR_EV_ATOMIC, nr, shard_, castor_word_version(found_), p, value, 0, 0);                   \
    } while (0)

// MARK: - Loads

/// A thread that spins reads the same values at the same versions over and over: those loads are counted, not logged one by
/// one. A round of them may have several addresses.
static __attribute__((noinline)) int is_repeat(castor_loads *l, const castor_load_seen *now) {
    if (l->period) {
        const castor_load_seen *then = &l->seen[(l->count - l->period + l->repeats % l->period) % CASTOR_LOADS];
        return castor_same_load(then, now);
    }
    for (uint32_t k = 1; k <= CASTOR_LOADS / 2 && k <= l->count; k++)
        if (castor_same_load(&l->seen[(l->count - k) % CASTOR_LOADS], now)) {
            l->period = k;
            return 1;
        }
    return 0;
}

static inline __attribute__((always_inline)) void publish_load(
    castor_ring *ring, uint16_t nr, uint32_t shard, uint64_t found, const void *p, castor_u128 value) {
    castor_loads *l = &castor_self.loads;
    castor_load_seen now = {
        (uint64_t)p, found >> 1, (uint64_t)value, (uint64_t)(value >> 64), castor_load(castor_owners_writes(castor_seg, shard)),
        nr, {0}};
    // ring->forks is out of step while loads are counted, so that every other event comes by castor_make_room first.
    if (l->events == ring->events && castor_proc.forks == l->forks && castor_self.owned.state == CASTOR_ROW_NONE &&
        is_repeat(l, &now)) {
        l->repeats++;
        ring->forks = CASTOR_COUNTING;
        return;
    }
    uint64_t place = is_anothers(found) ? place_of_owner(found) : 0;  // not before `writes` was read
    if (!make_room(ring, LOAD_LENGTH)) return;
    publish(ring, CASTOR_EV_LOAD, nr, shard, castor_word_version(found), p, value, place, 0);
    l->seen[l->count++ % CASTOR_LOADS] = now;
    l->events = ring->events;
    l->forks = ring->forks;
}

#define LOAD(T, p, nr, operation)                                                            \
    do {                                                                                     \
        if (!castor_is_ordered()) return operation;                                          \
        TOUCH(p);                                                                            \
        if (castor_replays()) {                                       \
            settle();                                                                        \
            if (replay_in_row()) {                                                           \
                T now_ = operation;                                                          \
                replayed_in_row(p, nr, now_, 0);                                             \
                return now_;                                                                 \
            }                                                                                \
            castor_u128 value_;                                                              \
            castor_replay_load(nr, (uint64_t)(p), (uint64_t *)&value_);                      \
            return (T)value_;                                                                \
        }                                                                                    \
        castor_boundary_at(p);                                                               \
        castor_ring *ring_ = castor_self.ring;                                               \
        if (!ring_) return operation;                                                        \
        uint32_t shard_ = shard_of(p);                                                       \
        uint64_t *word_ = castor_version(castor_seg, shard_), found_ = castor_load(word_);   \
        unsigned tries_ = 0;                                                                 \
        T value_;                                                                            \
        if (__builtin_expect(!found_, 0)) found_ = claim(word_);                             \
        if (is_own(found_) && enter_row(ring_)) {                                            \
            count(&castor_self.owned);                                                       \
            found_ = castor_load(word_);                                                     \
            value_ = operation;                                                              \
            __atomic_thread_fence(__ATOMIC_ACQUIRE);                                         \
            if (__builtin_expect(!(found_ & CASTOR_WORD_LOCK) && is_own(found_) && castor_load(word_) == found_, 1)) { \
                mix(p, nr, value_, 0);                                                       \
                return value_;                                                               \
            }                                                                                \
            castor_self.owned.voided = 1;                                                    \
        }                                                                                    \
        for (;;) {                                                                           \
            found_ = castor_load(word_) & ~CASTOR_WORD_OWNERS_LOCK;                          \
            if (__builtin_expect(!(found_ & CASTOR_WORD_LOCK), 1)) {                         \
                value_ = operation;                                                          \
                __atomic_thread_fence(__ATOMIC_ACQUIRE);                                     \
                if (__builtin_expect((castor_load(word_) & ~CASTOR_WORD_OWNERS_LOCK) == found_, 1)) break; \
            }                                                                                \
            wait_for(word_, shard_, &tries_);                                                \
        }                                                                                    \
        publish_load(ring_, nr, shard_, found_, p, value_);                                  \
        return value_;                                                                       \
    } while (0)

// MARK: - The functions

#define BASE(N, BITS, LOG, T, S)                                                                                      \
    EXPORT T __castor_load_##N(const void *p, int order) {                                                            \
        (void)order;                                                                                                  \
        LOAD(T, p, NR(LOAD, LOG), castor_native_load_##N(p));                                                         \
    }                                                                                                                 \
    static T store_##N(void *p, T value, uint16_t nr) {                                                               \
        ATOMIC(T, p, nr, value, 0, (castor_native_store_##N(p, value), (T)0));                                        \
    }                                                                                                                 \
    EXPORT void __castor_store_##N(void *p, T value, int order) {                                                     \
        (void)order;                                                                                                  \
        store_##N(p, value, NR(STORE, LOG));                                                                          \
    }                                                                                                                 \
    EXPORT T __castor_exchange_##N(void *p, T value, int order) {                                                     \
        (void)order;                                                                                                  \
        ATOMIC(T, p, NR(EXCHANGE, LOG), value, 0, castor_native_exchange_##N(p, value));                              \
    }                                                                                                                 \
    EXPORT T __castor_compare_exchange_##N(void *p, T expected, T desired, int success, int failure) {                \
        (void)success, (void)failure;                                                                                 \
        ATOMIC(T, p, NR(COMPARE_EXCHANGE, LOG), desired, expected, castor_native_compare_exchange_##N(p, expected, desired)); \
    }                                                                                                                 \
    static T volatile_load_##N(const void *p) {                                                                       \
        LOAD(T, p, NR(VOLATILE_LOAD, LOG), castor_native_volatile_load_##N(p));                                       \
    }                                                                                                                 \
    static T volatile_store_##N(void *p, T value) {                                                                   \
        ATOMIC(T, p, NR(VOLATILE_STORE, LOG), value, 0, (castor_native_volatile_store_##N(p, value), (T)0));          \
    }                                                                                                                 \
    static void plain_store_##N(void *p, T value) {                                                                   \
        castor_proc.unowned = 1; /* built with order=shared: values are garbage now and then, of a structure's padding */ \
        PLAIN_STORE(T, p, NR(PLAIN_STORE, LOG), value, castor_native_volatile_store_##N);                             \
    }
CASTOR_SIZES(BASE)

/// A store of castor's own whose old value depends on what castor does not see.
void castor_plain_store(uint32_t *p, uint32_t value) {
    PLAIN_STORE(uint32_t, p, NR(PLAIN_STORE, 2), value, castor_native_volatile_store_4);
}

/// An access that no alignment holds within 16 bytes may concern two shards: it is one of each half.
#define STRADDLES(p, N) (((uint64_t)(p) & 15) + N > 16)
#define ACCESS(N, HALF, T, H)                                                                                        \
    EXPORT T __castor_volatile_load_##N(const void *p) {                                                             \
        if (__builtin_expect(!STRADDLES(p, N), 1)) return volatile_load_##N(p);                                      \
        T low = __castor_volatile_load_##HALF(p);                                                                    \
        return (T)(low | (T)__castor_volatile_load_##HALF((const char *)p + HALF) << (8 * HALF));          \
    }                                                                                                                \
    ACCESS_STORE(volatile_store, N, HALF, T, H) ACCESS_STORE(plain_store, N, HALF, T, H)
#define ACCESS_STORE(name, N, HALF, T, H)                                                                            \
    EXPORT void __castor_##name##_##N(void *p, T value) {                                                            \
        if (__builtin_expect(!STRADDLES(p, N), 1)) return (void)name##_##N(p, value);                                \
        __castor_##name##_##HALF(p, (H)value);                                                                       \
        __castor_##name##_##HALF((char *)p + HALF, (H)(value >> (8 * HALF)));                              \
    }
EXPORT uint8_t __castor_volatile_load_1(const void *p) { return volatile_load_1(p); }
EXPORT void __castor_volatile_store_1(void *p, uint8_t value) { volatile_store_1(p, value); }
EXPORT void __castor_plain_store_1(void *p, uint8_t value) { plain_store_1(p, value); }
ACCESS(2, 1, uint16_t, uint8_t)
ACCESS(4, 2, uint32_t, uint16_t)
ACCESS(8, 4, uint64_t, uint32_t)
ACCESS(16, 8, castor_u128, uint64_t)

#define FETCH_SIZE(N, LOG, T, name, NAME)                                                         \
    EXPORT T __castor_##name##_##N(void *p, T value, int order) {                                 \
        (void)order;                                                                              \
        ATOMIC(T, p, NR(NAME, LOG), value, 0, castor_native_##name##_##N(p, value));              \
    }
#define FETCH(name, NAME, expression)                                                             \
    FETCH_SIZE(1, 0, uint8_t, name, NAME) FETCH_SIZE(2, 1, uint16_t, name, NAME)                  \
    FETCH_SIZE(4, 2, uint32_t, name, NAME) FETCH_SIZE(8, 3, uint64_t, name, NAME)                 \
    FETCH_SIZE(16, 4, castor_u128, name, NAME)
CASTOR_FETCH_OPS(FETCH)

CASTOR_SIZES(CASTOR_ALIASES)

// MARK: - Values

static uint64_t value(uint64_t value) {
    if (castor_self.ring) {
        if (castor_replays()) settle();
        else castor_boundary();
    }
    return castor_value(value);
}
EXPORT uint64_t __castor_value(uint64_t given) { return value(given); }
EXPORT uint64_t __castor_rdtsc(void) { return value(castor_rdtsc()); }

/// Its numbers come from an instruction inside libstdc++.
REAL(unsigned, _ZNSt13random_device9_M_getvalEv, (void *device), (device), "")
EXPORT unsigned castor_random_device(void *device) __asm__("_ZNSt13random_device9_M_getvalEv");
EXPORT unsigned castor_random_device(void *device) {
    return (unsigned)value(real__ZNSt13random_device9_M_getvalEv(device));
}

// MARK: - Counts inside libstdc++

/// std::exception_ptr's count lies at the start of what precedes the exception (__cxa_refcounted_exception, 128 bytes).
/// The last one out frees it: who that is must be the same again.
static uint32_t *count_of(void **exception) { return (uint32_t *)((char *)*exception - 128); }
REAL(void, _ZNSt15__exception_ptr13exception_ptr10_M_releaseEv, (void **exception), (exception), "")
EXPORT void castor_exception_addref(void **exception) __asm__("_ZNSt15__exception_ptr13exception_ptr9_M_addrefEv");
EXPORT void castor_exception_addref(void **exception) {
    if (*exception) __castor_fetch_add_4(count_of(exception), 1, __ATOMIC_SEQ_CST);
}
EXPORT void castor_exception_release(void **exception) __asm__("_ZNSt15__exception_ptr13exception_ptr10_M_releaseEv");
EXPORT void castor_exception_release(void **exception) {
    if (!*exception) return;
    if (__castor_fetch_sub_4(count_of(exception), 1, __ATOMIC_SEQ_CST) > 1) {
        *exception = 0;
    } else {
        *count_of(exception) = 1;  // libstdc++ takes the last one away and frees
        real__ZNSt15__exception_ptr13exception_ptr10_M_releaseEv(exception);
    }
}

// MARK: - Regions

/// What regions without an address are about.
static char anywhere;

/// What happens inside is part of the region, not an event: libatomic's locks and its functions for one size.
static void enter(castor_region *r) {
    r->ordered = castor_self.ordered;
    r->entered = 1;
    castor_self.ordered = 0;
}

EXPORT void __castor_region_begin(void *p) {
    castor_region *r = &castor_self.region;
    r->length = 0;
    r->shard = CASTOR_NO_SHARD;
    r->faulted = 0;
    if (!castor_self.ring || castor_mode_now() == CASTOR_MODE_OFF) return;
    if (p) TOUCH(p);
    if (!p) {
        castor_proc.unowned = 1;
        p = &anywhere;
    }
    if (castor_replays()) {
        settle();
        r->shard = castor_replay_region((uint64_t)p);
        enter(r);
        return;
    }
    castor_boundary();
    castor_ring *ring = castor_self.ring;
    if (!ring || !make_room(ring, LOAD_LENGTH)) return;
    uint32_t shard = shard_of(p);
    if ((r->found = take(ring, castor_version(castor_seg, shard), shard)) == NOT_TAKEN) return;
    r->shard = shard;
    enter(r);
}

/// On the stack of the function that calls, or of one that called it.
static int is_local(const void *p) { return (uint64_t)p - (uint64_t)__builtin_frame_address(0) < 1 << 16; }

/// On replay the program's memory gets what the log has, as far as that was kept.
EXPORT void __castor_region_output(void *p, uint64_t size) {
    castor_region *r = &castor_self.region;
    if (r->shard != CASTOR_NO_SHARD && !is_local(p) && shard_of((char *)p + size - 1) != r->shard) castor_proc.unowned = 1;
    uint64_t room = sizeof r->bytes - r->length;
    if (size > room) size = room;
    if (castor_replays()) {
        if (r->length + size <= r->kept) castor_copy(p, r->bytes + r->length, size);
    } else {
        castor_copy(r->bytes + r->length, p, size);
    }
    r->length += size;
}

EXPORT void __castor_region_end(void *p) {
    castor_region *r = &castor_self.region;
    if (!r->entered) return;
    r->entered = 0;
    castor_self.ordered = r->ordered;
    if (castor_replays()) {
        if (r->faulted) castor_replay_region((uint64_t)(p ? p : &anywhere));
        return castor_replayed_write(r->shard);
    }
    castor_ring *ring = castor_self.ring;
    give(ring, castor_version(castor_seg, r->shard), r->found);
    castor_record_region((uint64_t)(p ? p : &anywhere));
}

// MARK: - libatomic

/// Its functions for one size, which compilers call for 16 bytes. They are as lock-free as ours.
#define LIBATOMIC_FETCH(N, T, op)                                                                    \
    EXPORT T castor_atomic_##op##_##N(T *p, T value, int order) __asm__("__atomic_fetch_" #op "_" #N); \
    EXPORT T castor_atomic_##op##_##N(T *p, T value, int order) { return __castor_fetch_##op##_##N(p, value, order); }
#define LIBATOMIC(N, BITS, LOG, T, S)                                                                                \
    EXPORT T castor_atomic_load_##N(const T *p, int order) __asm__("__atomic_load_" #N);                             \
    EXPORT T castor_atomic_load_##N(const T *p, int order) { return __castor_load_##N(p, order); }                   \
    EXPORT void castor_atomic_store_##N(T *p, T value, int order) __asm__("__atomic_store_" #N);                     \
    EXPORT void castor_atomic_store_##N(T *p, T value, int order) { __castor_store_##N(p, value, order); }           \
    EXPORT T castor_atomic_exchange_##N(T *p, T value, int order) __asm__("__atomic_exchange_" #N);                  \
    EXPORT T castor_atomic_exchange_##N(T *p, T value, int order) { return __castor_exchange_##N(p, value, order); } \
    EXPORT bool castor_atomic_compare_##N(T *p, T *e, T d, int s, int f) __asm__("__atomic_compare_exchange_" #N);   \
    EXPORT bool castor_atomic_compare_##N(T *p, T *e, T d, int s, int f) {                                           \
        return __tsan_atomic##BITS##_compare_exchange_strong(p, e, d, s, f);                                         \
    }                                                                                                                \
    LIBATOMIC_FETCH(N, T, add) LIBATOMIC_FETCH(N, T, sub) LIBATOMIC_FETCH(N, T, and) LIBATOMIC_FETCH(N, T, or)       \
    LIBATOMIC_FETCH(N, T, xor) LIBATOMIC_FETCH(N, T, nand)
CASTOR_SIZES(LIBATOMIC)

/// Any size, behind libatomic's own locks: regions around the real functions.
REAL(void, __atomic_load, (size_t n, const void *p, void *to, int order), (n, p, to, order), "")
REAL(void, __atomic_store, (size_t n, void *p, void *from, int order), (n, p, from, order), "")
REAL(void, __atomic_exchange, (size_t n, void *p, void *from, void *to, int order), (n, p, from, to, order), "")
REAL(bool, __atomic_compare_exchange, (size_t n, void *p, void *e, void *d, int s, int f), (n, p, e, d, s, f), "")

EXPORT void castor_atomic_load(size_t n, const void *p, void *to, int order) __asm__("__atomic_load");
EXPORT void castor_atomic_load(size_t n, const void *p, void *to, int order) {
    __castor_region_begin((void *)p);
    real___atomic_load(n, p, to, order);
    __castor_region_output(to, n);
    __castor_region_end((void *)p);
}
EXPORT void castor_atomic_store(size_t n, void *p, void *from, int order) __asm__("__atomic_store");
EXPORT void castor_atomic_store(size_t n, void *p, void *from, int order) {
    __castor_region_begin(p);
    real___atomic_store(n, p, from, order);
    __castor_region_end(p);
}
EXPORT void castor_atomic_exchange(size_t n, void *p, void *from, void *to, int order) __asm__("__atomic_exchange");
EXPORT void castor_atomic_exchange(size_t n, void *p, void *from, void *to, int order) {
    __castor_region_begin(p);
    real___atomic_exchange(n, p, from, to, order);
    __castor_region_output(to, n);
    __castor_region_end(p);
}
EXPORT bool castor_atomic_compare(size_t n, void *p, void *e, void *d, int s, int f) __asm__("__atomic_compare_exchange");
EXPORT bool castor_atomic_compare(size_t n, void *p, void *e, void *d, int s, int f) {
    __castor_region_begin(p);
    bool did = real___atomic_compare_exchange(n, p, e, d, s, f);
    __castor_region_output(&did, sizeof did);
    __castor_region_output(e, n);
    __castor_region_end(p);
    return did;
}

// MARK: - Polls

static void deliver(void) {
    if (castor_replays()) castor_settle();
    else castor_deliver_pending();
}
EXPORT void __castor_poll(void) {
    if (castor_self.ring && castor_poll()) deliver();
}

// MARK: - The rest of ThreadSanitizer's names

CASTOR_TSAN_NOTES
CASTOR_SIZES(CASTOR_TSAN_ACCESS)
extern void *memcpy(void *, const void *, size_t), *memmove(void *, const void *, size_t), *memset(void *, int, size_t);
EXPORT void *__tsan_memcpy(void *to, const void *from, size_t n) { return memcpy(to, from, n); }
EXPORT void *__tsan_memmove(void *to, const void *from, size_t n) { return memmove(to, from, n); }
EXPORT void *__tsan_memset(void *to, int byte, size_t n) { return memset(to, byte, n); }
