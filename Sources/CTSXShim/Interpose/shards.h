/// The compiler plane's shards while a program is recorded: locks, owners, and what is published about them. For plane.c.
///
/// A shard's word is a version lock, odd while an operation is under way (castor_abi.h, Owners). A shard to which only one
/// thread has written for a while is that thread's own: its operations there are not logged but counted, for nothing but the
/// thread itself decides what they do. See castor_progress.
#pragma once
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
    uint64_t hash = castor_self.owned.hash, values = operands(old, 0) + given * 3;
    hash = (hash << 5 | hash >> 59) ^ (uint64_t)p ^ (uint64_t)nr << 48 ^ values * 0x9e3779b97f4a7c15ul;
    castor_self.owned.hash = hash * 0xd6e8feb86659fd93ul;
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
    if (--o->left == 0 || __atomic_load_n(&progress->waiters, __ATOMIC_RELAXED)) castor_replayed_in_row();
}
