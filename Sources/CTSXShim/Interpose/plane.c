/// The compiler plane while a program is recorded or replayed: what its atomics, volatiles, non-deterministic
/// instructions and inline assembly call (docs/INSTRUMENTATION.md).
///
/// A shard's word is a version lock, odd while an operation is under way (castor_abi.h, Owners). A write takes the lock, does the processor's own
/// operation and logs the version that it found. A load reads word, value and word again, and logs a version at which the
/// value held; it holds nobody up. Replay (Plane.swift) lets a write go at its version, and a load from its version on.
///
/// A shard to which only one thread has written for a while is that thread's own: its operations there are not logged but
/// counted, for nothing but the thread itself decides what they do. See castor_progress.
///
/// The real operation stays a locked one, for code that was not instrumented and the kernel change the same words.
#include "castor_plane.h"
#include "wrappers.h"

// MARK: - Version locks

/// An odd word this long is looked at more closely: its holder may have been killed.
enum { SPINS = 16, YIELDS = 4096 };

static uint32_t shard_of(const void *p) {
    uint64_t hash = ((uint64_t)p >> 4) * 0x9e3779b97f4a7c15ul;
    return CASTOR_SHARD_ATOMICS + (uint32_t)(hash >> 40) % (CASTOR_SHARDS - CASTOR_SHARD_ATOMICS);
}

static inline int is_own(uint64_t word) { return word >> CASTOR_WORD_BITS == castor_self.owned.owner; }
static inline int is_anothers(uint64_t word) { return word >> 63 && !is_own(word); }

/// The word after a write that is logged. The first to write is the owner at once; others are after four writes in a row, if
/// the version says so: to take a shard to and fro costs more than to log what is done to it.
static inline __attribute__((always_inline)) uint64_t written(uint64_t found) {
    enum { WRITER = 0x1fff, STREAK = 0x2000, OWNER = 0xe000, TAKES = 16 };
    uint64_t last = found >> CASTOR_WORD_BITS, mine = castor_self.owned.owner;
    if (last == mine) return found + 2;
    if (mine == CASTOR_OWNS_NOTHING || castor_proc.unowned) last = 0;
    else if (!found) last = mine;
    else if ((last ^ mine) & WRITER) last = mine & WRITER;
    else if (last < 3 * STREAK) last += STREAK;
    uint64_t version = castor_word_version(found) + 1;
    if (last >= 3 * STREAK && version % TAKES == 0) last |= OWNER;
    return last << CASTOR_WORD_BITS | version << 1;
}

/// A process that was killed while one of its threads held a shard: nobody else would ever get it.
static __attribute__((noinline)) void take_from_the_dead(uint64_t *word, uint64_t held, uint32_t shard) {
    uint32_t used = castor_load32(castor_segment_rings_used(castor_seg));
    for (uint32_t i = 0; i < used; i++) {
        castor_ring *r = castor_ring_at(castor_seg, i);
        if (__atomic_load_n(&r->held, __ATOMIC_ACQUIRE) != shard || castor_load32(&r->state) == CASTOR_RING_FREE) continue;
        if (castor_gate_syscall(SYS_tkill, r->tid, 0, 0, 0, 0, 0) != -3 /* ESRCH */) return;
    }
    uint64_t free = held & CASTOR_WORD_LOCK ? held + 1 : held & ~CASTOR_WORD_LOCKS;
    __atomic_compare_exchange_n(word, &held, free, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static __attribute__((noinline)) void wait_for(uint64_t *word, uint32_t shard, unsigned *tries) {
    if (++*tries <= SPINS) return castor_pause();
    castor_gate_syscall(SYS_sched_yield, 0, 0, 0, 0, 0, 0);  // a preempted holder needs the processor
    uint64_t now = castor_load(word);
    if (*tries % YIELDS == 0 && now & CASTOR_WORD_LOCKS) take_from_the_dead(word, now, shard);
}

static inline __attribute__((always_inline)) int lock(castor_ring *ring, uint64_t *word, uint32_t shard, uint64_t now, uint64_t bit) {
    __atomic_store_n(&ring->held, shard, __ATOMIC_RELAXED);  // a fault in the operation gives it back
    return __builtin_expect(__atomic_compare_exchange_n(word, &now, now | bit, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED), 1);
}
static inline __attribute__((always_inline)) void unlock(castor_ring *ring, uint64_t *word, uint64_t now) {
    __atomic_store_n(word, now, __ATOMIC_RELEASE);
    __atomic_store_n(&ring->held, 0, __ATOMIC_RELAXED);
}

/// Returns the even word that was found, or NOT_TAKEN once recording has been given up.
#define NOT_TAKEN (~0ull)
static int take_from_owner(castor_ring *ring, uint64_t *word, uint32_t shard);
static inline __attribute__((always_inline)) uint64_t take(castor_ring *ring, uint64_t *word, uint32_t shard) {
    unsigned tries = 0;
    for (;;) {
        uint64_t now = __atomic_load_n(word, __ATOMIC_RELAXED);
        if (__builtin_expect(is_anothers(now), 0)) {
            if (!take_from_owner(ring, word, shard)) return NOT_TAKEN;
        } else {
            if (__builtin_expect(!(now & CASTOR_WORD_LOCKS), 1) && lock(ring, word, shard, now, CASTOR_WORD_LOCK)) return now;
            wait_for(word, shard, &tries);
        }
    }
}
static inline __attribute__((always_inline)) void give(castor_ring *ring, uint64_t *word, uint64_t found) {
    unlock(ring, word, written(found));
}

// MARK: - Events

/// What an operation was given, in one word for comparison.
static inline uint64_t operands(castor_u128 value, castor_u128 expected) {
    return (uint64_t)value ^ (uint64_t)(value >> 64) * 31 ^ (uint64_t)expected * 131 ^ (uint64_t)(expected >> 64) * 1031;
}

/// Signals come first, but not between operations that the log has as one event.
static inline void settle(void) {
    if (!castor_self.loads.repeats && !castor_self.owned.left) castor_settle();
}

/// Room for a small event.
enum { WRITE_LENGTH = 32, LOAD_LENGTH = 32 };
static inline __attribute__((always_inline)) int make_room(castor_ring *ring, uint32_t length) {
    if (__builtin_expect(ring->forks == castor_proc.forks && ring->packed && ring->packed + length <= 64, 1)) return 1;
    return castor_make_room(ring, length);
}

static __attribute__((noinline)) void publish_stamped(
    castor_ring *ring, uint16_t kind, uint16_t nr, uint32_t shard, uint64_t version, const void *p, castor_u128 result,
    uint64_t value) {
    castor_entry e = {
        .kind = kind, .nr = nr, .shard = shard, .version = version, .result = (int64_t)result, .object = (uint64_t)p,
        .hash = (uint64_t)(result >> 64), .value = value};
    castor_publish_stamped(ring, &e);
}

static inline __attribute__((always_inline)) void publish(
    castor_ring *ring, uint16_t kind, uint16_t nr, uint32_t shard, uint64_t version, const void *p, castor_u128 result,
    castor_u128 value, castor_u128 expected) {
    if (__builtin_expect(!castor_stamp_is_due(ring, CASTOR_STAMP_EVERY) && !(version >> 32) && !(uint64_t)(result >> 64), 1))
        return castor_pack(
            ring, (kind == CASTOR_EV_LOAD ? CASTOR_SMALL_LOAD : CASTOR_SMALL_ATOMIC) | nr, shard, version, (uint64_t)p,
            (uint64_t)result, 0, operands(value, expected));
    publish_stamped(ring, kind, nr, shard, version, p, result, operands(value, expected));
}

#define NR(OP, LOG) (uint16_t)(CASTOR_OP_##OP * 8 + LOG)

// MARK: - Owners

/// Where the owner of a shard stands. What it has done to the shard is counted before it can be seen.
static uint64_t place_of_owner(uint64_t word) {
    uint64_t id = word >> CASTOR_WORD_BITS & 0x1fff;
    uint64_t count = castor_load(&castor_progress_of(castor_seg, (uint32_t)id - 1)->count);
    return id << CASTOR_WORD_BITS | (count & ((1ull << CASTOR_WORD_BITS) - 1));
}

/// Returns 0 once recording has been given up; else there is room for a small event again.
static __attribute__((noinline)) int take_from_owner(castor_ring *ring, uint64_t *word, uint32_t shard) {
    unsigned tries = 0;
    for (;;) {
        uint64_t now = castor_load(word);
        if (!is_anothers(now)) return 1;
        if (!(now & CASTOR_WORD_LOCKS) && lock(ring, word, shard, now, CASTOR_WORD_LOCK)) {
            uint64_t place = place_of_owner(now);
            unlock(ring, word, (castor_word_version(now) + 1) << 1);
            publish_stamped(ring, CASTOR_EV_TAKEN, 0, shard, castor_word_version(now), 0, 0, place);
            return castor_make_room(ring, WRITE_LENGTH);
        }
        wait_for(word, shard, &tries);
    }
}

/// The first to read a shard that nobody has written to owns it. Returns the word.
static __attribute__((noinline)) uint64_t claim(uint64_t *word) {
    uint64_t now = 0, mine = castor_self.owned.owner << CASTOR_WORD_BITS;
    if (castor_self.owned.owner == CASTOR_OWNS_NOTHING || castor_proc.unowned) return 0;
    return __atomic_compare_exchange_n(word, &now, mine, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ? mine : now;
}

/// What the log has to have before a row begins. ring->forks is out of step while one goes on, so that every event comes by
/// castor_make_room first.
static __attribute__((noinline)) int begin_row(castor_ring *ring) {
    castor_owned *o = &castor_self.owned;
    if (castor_proc.unowned) return 0;
    if (o->state != CASTOR_ROW_NONE && o->forks == castor_proc.forks) return 1;
    if (!castor_make_room(ring, WRITE_LENGTH)) return 0;
    o->forks = ring->forks;
    o->hash = 0;
    o->state = CASTOR_ROW_BEGUN;
    ring->forks = CASTOR_COUNTING;
    return 1;
}
static inline __attribute__((always_inline)) int enter_row(castor_ring *ring) {
    const castor_owned *o = &castor_self.owned;
    if (__builtin_expect(o->state == CASTOR_ROW_GOING && o->forks == castor_proc.forks, 1)) return 1;
    return begin_row(ring);
}

/// The first of a row is counted with a fence, so that who reads the count of the row before knows that no load has come
/// after it.
static inline __attribute__((always_inline)) void count(castor_owned *o) {
    uint64_t *word = &o->progress->count;
    if (__builtin_expect(o->state == CASTOR_ROW_GOING, 1)) return castor_store(word, *word + 1);
    __atomic_exchange_n(word, *word + 1, __ATOMIC_SEQ_CST);
    o->state = CASTOR_ROW_GOING;
}

/// What a row's hash has of an operation.
static inline void mix(const void *p, uint16_t nr, castor_u128 old, uint64_t given) {
    castor_owned_mix(&castor_self.owned, (uint64_t)p ^ (uint64_t)nr << 48, operands(old, 0) + given * 3);
}

/// Replay: whether the operation is one of a row. Afterwards, with what it gave: replayed.
static inline __attribute__((always_inline)) int replay_in_row(void) {
    return castor_self.owned.left || (!castor_self.loads.repeats && castor_replay_row());
}
static inline __attribute__((always_inline)) void replayed_in_row(const void *p, uint16_t nr, castor_u128 old, uint64_t given) {
    castor_owned *o = &castor_self.owned;
    castor_progress *progress = o->progress;
    mix(p, nr, old, given);
    uint64_t now = progress->count + 1;
    __atomic_exchange_n(&progress->count, now, __ATOMIC_SEQ_CST);
    if (--o->left == 0 || __atomic_load_n(&progress->waiters, __ATOMIC_RELAXED)) castor_replayed_in_row(p, nr);
}

/// Memory that faults does so here, before anything is held or expected.
#define TOUCH(p) (void)*(const volatile uint8_t *)(p)
/// Memory that may only be read: recording finds out in the operation, of which nothing is then logged.
#define TOUCH_TO_WRITE(p) __asm__ volatile("lock orb $0, %0" : "+m"(*(volatile uint8_t *)(p)) : : "cc")

#define ATOMIC(T, p, nr, value, expected, operation)                                                        \
    do {                                                                                                    \
        if (!castor_is_ordered()) return operation;                                                         \
        TOUCH(p);                                                                                           \
        if (castor_mode_now() == CASTOR_MODE_REPLAY) {                                                      \
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
        if (castor_mode_now() == CASTOR_MODE_REPLAY) {                                                      \
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
        if (castor_mode_now() == CASTOR_MODE_REPLAY) {                                       \
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
        if (castor_mode_now() == CASTOR_MODE_REPLAY) settle();
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
    if (castor_mode_now() == CASTOR_MODE_REPLAY) {
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
    if (castor_mode_now() == CASTOR_MODE_REPLAY) {
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
    if (castor_mode_now() == CASTOR_MODE_REPLAY) {
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
    if (castor_mode_now() == CASTOR_MODE_REPLAY) castor_settle();
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
