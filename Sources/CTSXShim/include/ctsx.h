/// Primitives that Swift lacks: cycle counter, atomics, futexes, transactional memory, access to the segment.
/// Mechanism only. Everything is `static inline` or in tsx.c; nothing here interposes on anything, so tools
/// and tests may link it.
#pragma once
#include "castor_abi.h"

#if defined(__clang__)
/// Lets Swift functions marked @_noLocks call this C function.
#define CASTOR_NOLOCKS __attribute__((swift_attr("@_noLocks")))
#else
#define CASTOR_NOLOCKS
#define _Nonnull
#define _Nullable
#endif
#define CASTOR_INLINE static inline __attribute__((always_inline)) CASTOR_NOLOCKS

extern const castor_syscall_row castor_syscall_table[CASTOR_SYSCALLS];
CASTOR_INLINE const castor_syscall_row *_Nonnull castor_syscall_row_at(uint64_t nr) {
    return &castor_syscall_table[nr < CASTOR_SYSCALLS ? nr : CASTOR_SYSCALLS - 1];
}
extern const uint8_t castor_again_table[CASTOR_SYSCALLS];
/// CASTOR_AGAIN_*: what a standby does about the call.
CASTOR_INLINE uint8_t castor_again(uint64_t nr) { return nr < CASTOR_SYSCALLS ? castor_again_table[nr] : CASTOR_AGAIN_REFUSED; }

/// Rows of castor_symbols.def, for tools: name and note, null for a number without a row.
const char *_Nullable castor_symbol_name(uint32_t number);
const char *_Nullable castor_symbol_note(uint32_t number);
uint32_t castor_symbol_count(void);

// MARK: - Cycle counter

CASTOR_INLINE uint64_t castor_rdtsc(void) { return __builtin_ia32_rdtsc(); }
/// Between two fences: neither before what comes before it nor after what comes after it.
CASTOR_INLINE uint64_t castor_rdtsc_fenced(void) {
    __asm__ volatile("lfence" ::: "memory");
    uint64_t ticks = __builtin_ia32_rdtsc();
    __asm__ volatile("lfence" ::: "memory");
    return ticks;
}
CASTOR_INLINE void castor_pause(void) { __builtin_ia32_pause(); }

// MARK: - Atomics

CASTOR_INLINE uint64_t castor_load(const uint64_t *_Nonnull p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
CASTOR_INLINE uint32_t castor_load32(const uint32_t *_Nonnull p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
CASTOR_INLINE void castor_store(uint64_t *_Nonnull p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
CASTOR_INLINE void castor_store32(uint32_t *_Nonnull p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
/// Sequentially consistent: a following load of another word is not moved before it.
CASTOR_INLINE uint64_t castor_fetch_add(uint64_t *_Nonnull p, uint64_t v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
/// For a word that no other thread writes: one instruction, so that no signal comes in between, and without the lock, which would
/// wait for all stores before it.
CASTOR_INLINE uint64_t castor_fetch_add_alone(uint64_t *_Nonnull p, uint64_t v) {
    __asm__ volatile("xaddq %0, %1" : "+r"(v), "+m"(*p) : : "memory", "cc");
    return v;
}
CASTOR_INLINE uint32_t castor_fetch_add32(uint32_t *_Nonnull p, uint32_t v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
CASTOR_INLINE uint64_t castor_fetch_or(uint64_t *_Nonnull p, uint64_t v) { return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST); }
CASTOR_INLINE uint32_t castor_fetch_or32(uint32_t *_Nonnull p, uint32_t v) { return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST); }
CASTOR_INLINE uint32_t castor_fetch_and32(uint32_t *_Nonnull p, uint32_t v) { return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST); }
CASTOR_INLINE uint64_t castor_exchange(uint64_t *_Nonnull p, uint64_t v) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); }
CASTOR_INLINE uint32_t castor_exchange32(uint32_t *_Nonnull p, uint32_t v) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); }
CASTOR_INLINE int castor_cas64(uint64_t *_Nonnull p, uint64_t expected, uint64_t desired) {
    return __atomic_compare_exchange_n(p, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
CASTOR_INLINE int castor_cas32(uint32_t *_Nonnull p, uint32_t expected, uint32_t desired) {
    return __atomic_compare_exchange_n(p, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
CASTOR_INLINE void castor_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/// True, and the compiler does not know.
CASTOR_INLINE int castor_true(void) {
    int yes = 1;
    __asm__ volatile("" : "+r"(yes));
    return yes;
}

// MARK: - Segment

CASTOR_INLINE uint64_t *_Nonnull castor_version(castor_segment *_Nonnull s, uint32_t shard) {
    return (uint64_t *)((char *)s + s->versions_offset) + 2 * shard;
}
/// Recording: counts what the shard's owner has written.
CASTOR_INLINE uint64_t *_Nonnull castor_owners_writes(castor_segment *_Nonnull s, uint32_t shard) {
    return castor_version(s, shard) + 1;
}
/// Bits of connections that have changed.
CASTOR_INLINE uint32_t *_Nonnull castor_connections_changed(castor_segment *_Nonnull s) {
    return (uint32_t *)((char *)s + s->connections_offset);
}
CASTOR_INLINE castor_connection *_Nonnull castor_connection_at(castor_segment *_Nonnull s, uint32_t index) {
    return (castor_connection *)(castor_connections_changed(s) + CASTOR_CONNECTIONS / 32) + index;
}
CASTOR_INLINE uint64_t *_Nonnull castor_identity_at(castor_segment *_Nonnull s, uint32_t i) {
    return (uint64_t *)((char *)s + s->identities_offset) + i;
}
CASTOR_INLINE castor_output_queue *_Nonnull castor_output_queue_at(castor_segment *_Nonnull s, uint32_t ring) {
    return (castor_output_queue *)((char *)s + s->held_offset) + ring;
}
CASTOR_INLINE castor_held_output *_Nonnull castor_output_queue_slot(castor_output_queue *_Nonnull h, uint64_t i) {
    return &h->outputs[i & (CASTOR_HELD - 1)];
}
CASTOR_INLINE uint32_t *_Nonnull castor_waiters(castor_segment *_Nonnull s, uint32_t shard) {
    return (uint32_t *)((char *)s + s->waiters_offset) + shard;
}
CASTOR_INLINE uint64_t castor_word_version(uint64_t word) { return (word & (CASTOR_WORD_OWNERS_LOCK - 1)) >> 1; }
/// Streams that own nothing share the last one, which nobody waits for.
CASTOR_INLINE castor_progress *_Nonnull castor_progress_of(castor_segment *_Nonnull s, uint32_t stream) {
    return (castor_progress *)((char *)s + s->progress_offset) + (stream < CASTOR_OWNERS ? stream : CASTOR_OWNERS);
}
CASTOR_INLINE castor_ring *_Nonnull castor_ring_at(castor_segment *_Nonnull s, uint32_t index) {
    return (castor_ring *)((char *)s + s->rings_offset + s->ring_bytes * index);
}
CASTOR_INLINE castor_entry *_Nonnull castor_slot(castor_ring *_Nonnull r, uint64_t i) {
    return (castor_entry *)((char *)r + CASTOR_RING_HEADER) + (i & r->mask);
}
/// Ring lines that `bytes` of payload take.
CASTOR_INLINE uint64_t castor_lines(uint64_t bytes) { return (bytes + 63) >> 6; }
CASTOR_INLINE uint64_t *_Nonnull castor_ring_head(castor_ring *_Nonnull r) { return &r->head; }
CASTOR_INLINE uint64_t *_Nonnull castor_ring_tail(castor_ring *_Nonnull r) { return &r->tail; }

/// Reads a small event. Returns its length in bytes.
CASTOR_INLINE uint64_t castor_unpack(const void *_Nonnull at, castor_entry *_Nonnull e) {
    const uint64_t *from = (const uint64_t *)at, *start = from;
    uint64_t word = *from++;
    e->kind = (uint16_t)(0x1411040f0e03ull >> ((word >> 9 & 7) * 8) & 0xff);
    e->nr = word & 511;
    e->shard = (word >> 16 & 0xffff) == 0xffff ? CASTOR_NO_SHARD : (uint32_t)(word >> 16 & 0xffff);
    e->version = word >> 32;
    e->stamp = 0;
    e->object = *from++;
    e->result = word & CASTOR_SMALL_RESULT ? (int64_t)*from++ : 0;
    e->hash = word & CASTOR_SMALL_HASH ? *from++ : 0;
    e->value = word & CASTOR_SMALL_VALUE ? *from++ : 0;
    e->payload = 0;
    e->flags = 0;
    return (uint64_t)((const char *)from - (const char *)start);
}

/// The time stamp of the next event, or 0 when none is due.
CASTOR_INLINE int castor_stamp_is_due(const castor_ring *_Nonnull r, uint32_t every) {
    return (uint32_t)r->events - r->stamped >= every;
}
CASTOR_INLINE uint64_t castor_stamp(castor_ring *_Nonnull r) {
    r->stamped = (uint32_t)r->events;
    return castor_rdtsc();
}

/// Appends a small event to the line at the ring's tail, which has room for it. `head` without the bits for fields.
CASTOR_INLINE void castor_pack(
    castor_ring *_Nonnull r, uint16_t head, uint32_t shard, uint64_t version, uint64_t object, uint64_t result, uint64_t hash,
    uint64_t value) {
    uint32_t length = r->packed;
    uint64_t *start = (uint64_t *)((char *)castor_slot(r, r->tail) + length), *to = start + 2;
    head |= CASTOR_SMALL;
    if (result) head |= CASTOR_SMALL_RESULT, *to++ = result;
    if (hash) head |= CASTOR_SMALL_HASH, *to++ = hash;
    if (value) head |= CASTOR_SMALL_VALUE, *to++ = value;
    start[1] = object;
    start[0] = head | (uint64_t)(shard & 0xffff) << 16 | version << 32;
    r->events++;
    castor_store32(&r->packed, length + (uint32_t)((char *)to - (char *)start));
}

/// Publishes the line of small events as a whole. The agent, which reads `tail`, `packed` and `tail` again, never takes one
/// line's length for another's.
CASTOR_INLINE void castor_close_line(castor_ring *_Nonnull r) {
    if (r->packed < 64) *(uint16_t *)((char *)castor_slot(r, r->tail) + r->packed) = 0;
    castor_store32(&r->packed, 0);
    castor_store(&r->tail, r->tail + 1);
}

/// Addresses of fields, for Swift: Embedded Swift has no key paths.
#define CASTOR_FIELD(owner, field, type) \
    CASTOR_INLINE type *_Nonnull castor_##owner##_##field(castor_##owner *_Nonnull p) { return &p->field; }
#define CASTOR_ARRAY(owner, field, type) \
    CASTOR_INLINE type *_Nonnull castor_##owner##_##field(castor_##owner *_Nonnull p) { return p->field; }
CASTOR_FIELD(ring, consumer_waiting, uint32_t)
CASTOR_FIELD(ring, output_waiting, uint32_t)
CASTOR_FIELD(ring, acknowledged, uint64_t)
CASTOR_FIELD(ring, producer_waiting, uint32_t)
CASTOR_FIELD(ring, packed, uint32_t)
CASTOR_FIELD(ring, kick, uint64_t)
CASTOR_FIELD(ring, state, uint32_t)
CASTOR_FIELD(ring, waiting, uint32_t)
CASTOR_FIELD(ring, events, uint64_t)
CASTOR_FIELD(ring, held, uint32_t)
CASTOR_FIELD(ring, deferred, uint64_t)
CASTOR_FIELD(ring, not_before, uint64_t)
CASTOR_FIELD(ring, owned_at, uint64_t)
CASTOR_FIELD(connection, state, uint32_t)
CASTOR_FIELD(connection, references, uint32_t)
CASTOR_FIELD(connection, ending, uint32_t)
CASTOR_FIELD(connection, may_end, uint32_t)
CASTOR_FIELD(connection, epoll, uint32_t)
CASTOR_FIELD(connection, writers, uint32_t)
CASTOR_FIELD(connection, consumed, uint64_t)
CASTOR_FIELD(connection, produced, uint64_t)
CASTOR_FIELD(connection, skip, uint64_t)
CASTOR_FIELD(connection, is_held, uint32_t)
CASTOR_FIELD(connection, is_broken, uint32_t)
CASTOR_FIELD(connection, released_waiting, uint32_t)
CASTOR_FIELD(connection, released, uint64_t)
CASTOR_FIELD(connection, writes, uint64_t)
CASTOR_FIELD(connection, writes_done, uint64_t)
CASTOR_ARRAY(connection, heirs, uint64_t)
CASTOR_FIELD(output_queue, added, uint64_t)
CASTOR_FIELD(output_queue, taken, uint64_t)
CASTOR_FIELD(progress, count, uint64_t)
CASTOR_FIELD(progress, start, uint64_t)
CASTOR_FIELD(progress, end, uint64_t)
CASTOR_FIELD(progress, wanted, uint64_t)
CASTOR_FIELD(progress, waiters, uint32_t)
CASTOR_FIELD(segment, agent_sleeping, uint32_t)
CASTOR_FIELD(segment, finished, uint32_t)
CASTOR_FIELD(segment, next_stream, uint32_t)
CASTOR_FIELD(segment, rings_used, uint32_t)
CASTOR_FIELD(segment, stopped, uint32_t)
CASTOR_FIELD(segment, turn, uint64_t)
CASTOR_FIELD(segment, turn_waiters, uint32_t)
CASTOR_FIELD(segment, progress, uint32_t)
CASTOR_FIELD(segment, live, uint32_t)
CASTOR_FIELD(segment, committing, uint32_t)
CASTOR_FIELD(segment, lost, uint32_t)
CASTOR_FIELD(segment, identities_noted, uint32_t)
CASTOR_FIELD(segment, skipping, uint32_t)
CASTOR_FIELD(segment, backlog, uint32_t)
CASTOR_FIELD(segment, backlog_calls, uint32_t)
CASTOR_FIELD(segment, unsupported, uint32_t)
CASTOR_FIELD(segment, polls_passed, uint64_t)
CASTOR_FIELD(segment, polls_added, uint64_t)
CASTOR_ARRAY(segment, writing, uint32_t)
CASTOR_ARRAY(segment, polled, uint64_t)
CASTOR_ARRAY(segment, said, uint64_t)
CASTOR_ARRAY(segment, newborn, uint32_t)
CASTOR_ARRAY(segment, calls, uint64_t)
CASTOR_ARRAY(segment, ended, uint32_t)
CASTOR_ARRAY(segment, scratch, char)
CASTOR_ARRAY(segment, only, char)
CASTOR_FIELD(segment, debug_pid, uint32_t)
CASTOR_FIELD(segment, all_fed, uint32_t)
CASTOR_FIELD(segment, shared_lock, uint32_t)
CASTOR_ARRAY(segment, shared, castor_shared)
CASTOR_FIELD(segment, report, castor_report)
CASTOR_FIELD(segment, lenient, castor_lenient)
CASTOR_ARRAY(lenient, streams, uint64_t)
CASTOR_FIELD(lenient, added, uint32_t)
CASTOR_FIELD(lenient, passed, uint32_t)
CASTOR_FIELD(lenient, contents, uint32_t)
CASTOR_FIELD(lenient, asserted, uint32_t)
CASTOR_FIELD(lenient, ended, uint32_t)
CASTOR_FIELD(report, pid, uint32_t)
CASTOR_FIELD(report, kind, uint32_t)
CASTOR_ARRAY(report, arguments, uint64_t)
CASTOR_ARRAY(report, text, char)
CASTOR_INLINE castor_argument castor_row_argument(const castor_syscall_row *_Nonnull row, int64_t i) { return row->args[i]; }

// MARK: - Transactional memory (tsx.c)

/// Whether CPUID announces RTM that is not forced to abort.
int castor_cpu_has_rtm(void);
/// Runs a few thousand transactions and says whether they commit and conflict as they must.
int castor_rtm_self_test(void);
/// Takes the next version of a shard in a transaction: a thread that is descheduled in it holds nobody up. Falls back to
/// a locked addition when transactions keep aborting. Only where the self-test passed.
CASTOR_NOLOCKS uint64_t castor_rtm_take(uint64_t *_Nonnull word);
/// The logic of it with the instructions given: `begin` returns 0xffffffff when a transaction runs, else why it was
/// aborted (bit 1: trying again may help).
CASTOR_NOLOCKS uint64_t castor_take_in_transaction(
    uint64_t *_Nonnull word, unsigned (*_Nonnull begin)(void), void (*_Nonnull end)(void));
