/// Layouts shared between the runtime inside the recorded program, the agent and the command line tool.
///
/// Everything here lives in one shared memory segment (a memfd) that castor creates, the runtime maps at
/// `CASTOR_SEGMENT_ADDRESS` and the agent maps anywhere:
///
///     segment header | shard versions | shard waiters | progress of streams | connections | ring 0 | … | ring (ring_count - 1)
///     | output queues | what a replay's processes map shared || bytes of held outputs | what a standby retains
///
/// What is behind the || is in the file and not mapped by the program; the last four are there only when they are needed.
///
/// Whatever the program published before it died, SIGKILL included, is still there for the agent to drain.
/// Sizes are asserted below and, for Swift, in `Layout.swift`; padding is by hand because Swift does not
/// import over-aligned structs.
#pragma once
#include "castor_connection.h"
#include "castor_tables.h"
#include <stddef.h>
#include <stdint.h>

#define CASTOR_ABI_VERSION 12u
#define CASTOR_MAGIC 0x31524f5453414343ull /* "CCASTOR1" */
/// Descriptor number under which the program inherits the segment; the runtime closes it once mapped.
#define CASTOR_SEGMENT_FD 997
#define CASTOR_SEGMENT_ADDRESS 0x6fff00000000ull
/// Environment variable that names the segment's descriptor. Without it the runtime stays dormant.
#define CASTOR_ENV "CASTOR_SEGMENT"

// MARK: - Events

/// What an entry is about. `nr` refines it.
enum : uint16_t {
    CASTOR_EV_NONE = 0,
    /// A system call. nr: its number. object: argument 0; hash: XXH3 of its input bytes, else argument 1;
    /// value: the remaining plain arguments. Payload: input strings, then output bytes, as its row says.
    CASTOR_EV_SYSCALL = 1,
    /// The ordering point of a call that both sends and receives, or whose handler ran before it returned.
    CASTOR_EV_SYSCALL_BEGIN = 2,
    /// A call of the symbol plane. nr: its row in castor_symbols.def; object: the address it is about.
    CASTOR_EV_SYMBOL = 3,
    /// A vDSO clock. nr: the system call it stands for; object: clock id; value, hash: seconds, nanoseconds.
    CASTOR_EV_CLOCK = 4,
    /// An asynchronous signal delivered here. nr: signal number. Payload: its siginfo (128 bytes).
    CASTOR_EV_SIGNAL = 5,
    /// First entry of every stream. object: start routine; value: parent stream; result: thread id; hash: process id.
    /// Payload, for a program that was started by exec: see castor_image.
    CASTOR_EV_THREAD_START = 6,
    /// Last entry of a thread that ended by itself.
    CASTOR_EV_THREAD_EXIT = 7,
    /// A synchronous fault without a handler: the thread dies here. nr: signal; object: address; value: rip.
    CASTOR_EV_FATAL = 8,
    /// Something the recorder does not support happened. nr: system call number (0xffff: see payload, text).
    CASTOR_EV_UNSUPPORTED = 9,
    /// Replay only: the stream ends here because the recording does.
    CASTOR_EV_END = 10,
    /// Before the fork of a process with several threads. Payload: a castor_place for each of the others.
    CASTOR_EV_FORK_CUT = 11,
    /// The first thing that another thread does after a fork; ordered after the fork.
    CASTOR_EV_FORK_SEEN = 12,
    /// A program is about to be executed; when that fails, the system call's own event follows, else the stream ends.
    /// value: the new program's stream. hash: of path, arguments and environment. Payload, NUL-terminated: absolute
    /// path of the object file, path as it was given, then what an interpreter line puts before it.
    CASTOR_EV_EXEC = 13,
    /// An operation of the compiler plane that may write. nr: CASTOR_OP_*; object: the address; result, hash: low and
    /// high half of the old value, of a plain store those of what it wrote; value: what it was given. A region's payload is
    /// what it wrote.
    CASTOR_EV_ATOMIC = 14,
    /// A load of the compiler plane: as above, result and hash are the value. It takes no version: it holds from `version`
    /// on, and from where the shard's owner stood then (value: a place, see castor_progress; 0: the shard had none).
    CASTOR_EV_LOAD = 15,
    /// `value` more loads that read what the last `object` loads read, in turns, at the same versions.
    CASTOR_EV_REPEAT = 16,
    /// What a non-deterministic instruction gave: result.
    CASTOR_EV_VALUE = 17,
    /// Signals are handled at the thread's `value`th poll.
    CASTOR_EV_POLL = 18,
    /// Comes before an operation that may write: its shard is taken from its owner, who stood at the place in `value`.
    CASTOR_EV_TAKEN = 19,
    /// From here on `value` operations in a row on shards that the thread owned; no other event tells of them. object: the
    /// thread's count of such operations after them; hash: of what they were given and gave, 0: not known; nr 1: the last
    /// one was counted and not done.
    CASTOR_EV_OWNED = 20,
    /// Standby only, in no log: the thread has done all that was recorded and goes on by itself.
    CASTOR_EV_LIVE = 21,
};

/// What an event of the compiler plane did. `castor_entry.nr` is this × 8 + log2 of the size.
enum : uint16_t {
    CASTOR_OP_LOAD = 0, CASTOR_OP_STORE, CASTOR_OP_EXCHANGE, CASTOR_OP_FETCH_ADD, CASTOR_OP_FETCH_SUB,
    CASTOR_OP_FETCH_AND, CASTOR_OP_FETCH_OR, CASTOR_OP_FETCH_XOR, CASTOR_OP_FETCH_NAND, CASTOR_OP_FETCH_MAX,
    CASTOR_OP_FETCH_MIN, CASTOR_OP_FETCH_UMAX, CASTOR_OP_FETCH_UMIN, CASTOR_OP_COMPARE_EXCHANGE,
    CASTOR_OP_VOLATILE_LOAD, CASTOR_OP_VOLATILE_STORE, CASTOR_OP_REGION,
    CASTOR_OP_PLAIN_STORE, CASTOR_OPS
};

/// `castor_entry.flags`.
enum : uint32_t {
    /// The call began and never returned: the program ended inside it.
    CASTOR_STARTED = 1u << 0,
    /// Payload holds a signal number/structure written by the runtime rather than program memory.
    CASTOR_INTERNAL = 1u << 1,
    /// `mmap` of an object file: replay maps the file itself; the payload is its path.
    CASTOR_MAP_BINARY = 1u << 2,
    /// `mmap` of a data file: the payload is its content.
    CASTOR_MAP_CONTENT = 1u << 3,
    /// The program that is executed will not be recorded.
    CASTOR_UNRECORDED = 1u << 4,
    /// A signal that was handled in the middle of a computation, for no event boundary came.
    CASTOR_OVERDUE = 1u << 5,
    /// A shared mapping of a data file or of System V memory: the payload is a castor_shared_map and what is new of the
    /// content.
    CASTOR_MAP_SHARED = 1u << 5,
    /// `accept` of a program with a standby: the payload ends with a castor_tcp.
    CASTOR_CONNECTION = 1u << 6,
};

#define CASTOR_NO_SHARD 0xffffffffu

// MARK: - Owners

// A shard of the compiler plane whose last writes all came from one thread is owned by it. What the owner does there is not
// logged one by one but counted, in castor_progress.count of its stream, before it is done. Others log where the owner stood
// (a place: stream + 1 in bits 48 and up, count below) when they read the shard or take it away, and wait for that on replay.
//
// The shard's word while recording: bit 0 lock | 1–46 version | 47 lock of an operation that the owner counts, which holds up
// no loads | 48–60 the last writer's stream + 1 | 61–62 writes in a row before its last, up to 3 | 63 it is the owner.
#define CASTOR_WORD_BITS 48
#define CASTOR_WORD_LOCK 1ull
#define CASTOR_WORD_OWNERS_LOCK 0x800000000000ull
#define CASTOR_WORD_LOCKS 0x800000000001ull
/// Streams from this one on own nothing.
#define CASTOR_OWNERS 8190u
/// The upper bits of no word.
#define CASTOR_OWNS_NOTHING 0xffffu
/// An owner's load is no locked instruction, so that who takes the shard may read a count that loads of the same row have
/// already passed: by no more of them than a processor holds back stores (about 110 on the largest). Replay waits for so
/// many more, or for the end of the row.
#define CASTOR_OWNED_SLACK 256u

/// How far a stream has come with operations on shards that it owned. One cache line.
typedef struct castor_progress {
    uint64_t count;
    /// Recording: how many of them the log has. Replay: the count before and after the row that is being done.
    uint64_t start, end;
    /// Replay: threads that sleep on the low half of `count`, and the least count that one of them waits for.
    uint64_t wanted;
    uint32_t waiters;
    uint32_t pad[7];
} castor_progress;
_Static_assert(sizeof(castor_progress) == 64, "a line");

// MARK: - Entries

/// One event: one cache line. Its payload follows in whole lines.
typedef struct castor_entry {
    uint16_t kind;
    uint16_t nr;
    /// The shard whose version orders this event, or CASTOR_NO_SHARD.
    uint32_t shard;
    /// Place in the shard's order, from 0, dense.
    uint64_t version;
    /// Recording: TSC ticks, 0 when not taken (a hint, never an order). Replay: place in the total order.
    uint64_t stamp;
    int64_t result;
    uint64_t object;
    uint64_t hash;
    uint64_t value;
    /// Payload bytes that follow.
    uint32_t payload;
    uint32_t flags;
} castor_entry;
_Static_assert(sizeof(castor_entry) == 64, "an entry is one cache line");

// MARK: - Small events

/// What makes a ring dear is cache lines that go from one processor to another, so the commonest events share them. A line
/// whose first half-word has CASTOR_SMALL set holds small events one after the other, until it ends or a half-word is 0:
///
///     head u16 | shard u16 (0xffff: none) | version u32 | object u64 | then, as the head says: result, hash, value, u64 each
///
/// Fields that are not there are 0. Only the ring knows small events; the log has them as all others.
enum : uint16_t {
    CASTOR_SMALL = 1u << 15,
    CASTOR_SMALL_RESULT = 1u << 14,
    CASTOR_SMALL_HASH = 1u << 13,
    CASTOR_SMALL_VALUE = 1u << 12,
    // bits 9–11: the kind
    CASTOR_SMALL_SYMBOL = 0u << 9,
    CASTOR_SMALL_ATOMIC = 1u << 9,
    CASTOR_SMALL_LOAD = 2u << 9,
    CASTOR_SMALL_CLOCK = 3u << 9,
    CASTOR_SMALL_VALUE_EVENT = 4u << 9,
    CASTOR_SMALL_OWNED = 5u << 9,
    // bits 0–8: nr
};
/// The events of a stream have a time stamp when the last that had one is so many before: those that could be small, and
/// system calls. Streams that are placed in one order for replay need stamps; to read the counter costs as much as the rest of
/// a small event.
#define CASTOR_STAMP_EVERY 16u
#define CASTOR_STAMP_EVERY_CALL 4u

/// Where a thread stood when another one forked.
typedef struct castor_place {
    uint32_t stream;
    /// It was inside a call; else it may have gone on a little before the fork.
    uint32_t quiet;
    uint64_t events;
    /// Its count of operations on shards that it owned.
    uint64_t owned;
} castor_place;

/// The signal by which libc cancels threads. Programs cannot use it.
#define CASTOR_SIGCANCEL 32
/// What the agent sends, by that signal, to a thread that computes on while signals wait carries this value.
#define CASTOR_REMINDER 0x63617374726dull

// MARK: - The environment of recorded programs

/// Keeps the kernel from telling the program its processor's number without a call.
#define CASTOR_NO_RSEQ "glibc.pthread.rseq=0"
/// Keeps OpenSSL from RDRAND and RDSEED: an environment variable and its value.
#define CASTOR_OPENSSL "OPENSSL_ia32cap"
#define CASTOR_NO_RDRAND "~0x4000000000000000:~0x40000"

// MARK: - Rings

enum : uint32_t {
    CASTOR_RING_FREE = 0,
    CASTOR_RING_CLAIMED = 1,
    CASTOR_RING_LIVE = 2,
    /// The thread is gone; the ring is freed once drained.
    CASTOR_RING_DONE = 3,
};

/// What a thread is doing. Replay: for deadlock detection. Recording: only running, IN_CALL and WAIT_REAL, for forks.
enum : uint32_t {
    CASTOR_RUNNING = 0,
    /// Waits for the agent to feed its ring.
    CASTOR_WAIT_FEED = 1,
    /// Waits until shard `wait_shard` reaches `wait_version` (total order: until the turn does). From CASTOR_SHARDS on: until
    /// the stream of that number beyond it has come so far with operations on shards that it owns.
    CASTOR_WAIT_TURN = 2,
    /// Inside the real pthread function, after its turn.
    CASTOR_WAIT_REAL = 3,
    /// Came to the end of its stream.
    CASTOR_PARKED = 4,
    /// Ends the process and waits for the other threads to come to their ends.
    CASTOR_WAIT_OTHERS = 5,
    /// Recording: inside a system call.
    CASTOR_IN_CALL = 6,
    /// Recording: before a call that leads out, until a standby has what led to it.
    CASTOR_WAIT_COMMIT = 7,
};

#define CASTOR_RING_HEADER 4096u
/// At most so many rings.
#define CASTOR_RINGS 4096u

/// Header of one ring: single producer, single consumer. Recording: the thread produces, the agent consumes.
/// Replay: the agent produces, the thread consumes. `head` and `tail` count slots since the start.
typedef struct castor_ring {
    // consumer's line
    uint64_t head;
    /// Replay: the consumer sleeps on the low half of `tail`.
    uint32_t consumer_waiting;
    /// Recording with a standby: the thread sleeps on the low half of `acknowledged`.
    uint32_t output_waiting;
    /// Recording with a standby: the standby has the lines of this ring before this one; what the thread sends after them may go.
    uint64_t acknowledged;
    uint32_t pad0[10];
    // producer's line
    uint64_t tail;
    uint64_t cached_head;
    /// Recording: the producer calls the agent when `tail` comes to this. 0: the ring is parked. The agent does not look at it
    /// before it is called, and it is the agent who sets this.
    uint64_t kick;
    /// Recording: slot[tail] holds the header of a call that has begun and not returned.
    uint32_t pending;
    /// Recording: the producer sleeps on the low half of `head` because the ring is full.
    uint32_t producer_waiting;
    uint64_t mask;
    /// Recording: the process's count of forks that this stream knows of.
    uint32_t forks;
    /// Recording: bytes of small events in the line at `tail`, which is not published as a whole yet; 0: there are none.
    uint32_t packed;
    /// Recording: the count of events (its low half) when the last had a time stamp.
    uint32_t stamped;
    uint32_t pad1;
    /// Recording: where the event of operations on owned shards is being published (64 × tail + packed); ~0: none is. It is
    /// in the log when the ring has come further.
    uint64_t owned_at;
    // identity
    uint32_t stream;
    uint32_t state;
    uint32_t pid;
    uint32_t tid;
    uint32_t parent;
    uint32_t waiting;
    uint32_t wait_shard;
    /// Recording: the shard that an operation of the compiler plane holds, or 0.
    uint32_t held;
    uint64_t wait_version;
    /// Events published (recording) or consumed (replay) so far.
    uint64_t events;
    /// Recording: since when a signal has waited for an event boundary, in TSC ticks, or 0.
    uint64_t deferred;
    /// Replay in total order: what is not in the ring yet has no place before this one.
    uint64_t not_before;
} castor_ring;
_Static_assert(sizeof(castor_ring) == 192, "three lines");

// MARK: - Segment

enum : uint32_t { CASTOR_MODE_OFF = 0, CASTOR_MODE_RECORD = 1, CASTOR_MODE_REPLAY = 2 };
enum : uint32_t { CASTOR_ORDER_PARTIAL = 0, CASTOR_ORDER_TOTAL = 1 };
/// What may end the agent's sleep, beside what it waits for itself: a ring that fills or waits for a standby; or also any ring
/// that calls.
enum : uint32_t { CASTOR_AGENT_AWAKE = 0, CASTOR_AGENT_NAPS = 1, CASTOR_AGENT_LISTENS = 2 };
/// Why recording stopped while the program goes on.
enum : uint32_t { CASTOR_NOT_STOPPED = 0, CASTOR_STOP_AGENT_DIED = 1, CASTOR_STOP_DISK = 2, CASTOR_STOP_MAIN_EXITED = 3, CASTOR_STOP_RINGS = 4 };
enum : uint32_t {
    CASTOR_OPT_DEBUGGER = 1u << 0,   ///< replay under a debugger: stop with SIGTRAP instead of dying
    CASTOR_OPT_QUIET = 1u << 1,      ///< no messages from the runtime
    CASTOR_OPT_PATIENT = 1u << 2,    ///< replay with a debugger: nobody is hurried
    CASTOR_OPT_NO_REWRITE = 1u << 3, ///< every system call traps: no site is rewritten
    CASTOR_OPT_LENIENT = 1u << 4,    ///< replay of another build than the recorded one: see castor_lenient
    CASTOR_OPT_SANITIZED = 1u << 5,  ///< and it is one with a sanitizer
    CASTOR_OPT_NO_OWNERS = 1u << 6,  ///< recording: no shard is owned, every operation of the compiler plane is logged
    CASTOR_OPT_STANDBY = 1u << 7,    ///< replay that makes what the kernel must hold, to go on live: see Standby.swift
    CASTOR_OPT_COMMIT = 1u << 8,     ///< recording: output waits until a standby has what led to it, while `committing`
    CASTOR_OPT_TRANSACTIONS = 1u << 9, ///< recording: versions are taken in hardware transactions
};
/// What `castor_report.kind` says went wrong in replay.
enum : uint32_t {
    CASTOR_NO_DIVERGENCE = 0,
    CASTOR_DIVERGENCE_EVENT = 1,
    CASTOR_DIVERGENCE_ARGUMENT = 2,
    CASTOR_DIVERGENCE_DEADLOCK = 3,
    CASTOR_DIVERGENCE_BINARY = 4,
};

/// Where and how replay left the log: written once by the thread that found it.
typedef struct castor_report {
    uint32_t kind;
    uint32_t stream;
    uint32_t pid;
    uint32_t tid;
    uint64_t event;
    castor_entry expected;
    castor_entry actual;
    /// Actual system call arguments, where the event is one.
    uint64_t arguments[6];
    /// Which field differed, or other text; NUL-terminated.
    char text[232];
    uint64_t pad;
} castor_report;
_Static_assert(sizeof(castor_report) == 24 + 128 + 48 + 240, "report layout");

/// Mutexes that some thread polls: see `Polling` in Replay.swift.
#define CASTOR_POLLED 32u
/// So many locks of one mutex in a row, by one thread and without another event between them, are polling.
#define CASTOR_POLL_RUN 8u

/// Files and System V segments that the recorded processes map shared.
#define CASTOR_SHARED 32u
/// Replay: bytes that each of them has to itself at the segment's end, of which only what is touched takes memory.
#define CASTOR_SHARED_BYTES (1ull << 36)

/// One of them.
typedef struct castor_shared {
    uint64_t identity;
    /// Recording: what is mapped writable since it was first seen. Its content follows by itself.
    uint64_t low, high;
} castor_shared;

/// How a shared mapping begins in the log.
typedef struct castor_shared_map {
    uint64_t identity;
    /// Where the content that follows lies in the file, and its length.
    uint64_t from, length;
    /// Bytes mapped.
    uint64_t size;
} castor_shared_map;

#define CASTOR_SHARDS 24576u
/// From here on shards are those of the compiler plane. Their words are version locks: see plane.c.
#define CASTOR_SHARD_ATOMICS 8192u
/// The shard of all descriptors that connect threads and processes (pipes, eventfds, epoll sets).
#define CASTOR_SHARD_IPC 0u
/// The shard of path operations.
#define CASTOR_SHARD_FILES 1u
/// The shard of the address space (mmap, munmap, brk…).
#define CASTOR_SHARD_MEMORY 2u
/// The shard of processes (fork, wait, kill).
#define CASTOR_SHARD_PROCESS 3u
/// The shard of the central heap.
#define CASTOR_SHARD_HEAP 4u
/// The shard of synchronisation objects that processes share: one may have several addresses.
#define CASTOR_SHARD_SHARED 5u
/// First shard for objects known by address or description number.
#define CASTOR_SHARD_FIRST 8u

#define CASTOR_NEWBORN 64u
#define CASTOR_ENDED 1024u
/// Replay of another build than the recorded one (`castor replay --exe`). The tool fills it in; see Lenient.swift.
typedef struct castor_lenient {
    /// Code of the program's file that belongs to a sanitizer's runtime, 0 when there is none; and the file's entry
    /// point: as the file has them.
    uint64_t sanitizer_start, sanitizer_end, entry;
    /// Where the recorded program had its standard output and error streams (FILE).
    uint64_t streams[2];
    /// What was followed although it is not as recorded: writes to the standard streams that came in addition or not at
    /// all, and contents of other writes.
    uint32_t added, passed, contents;
    uint32_t asserted;         ///< a castor_assert did not hold
    uint32_t ended;            ///< a sanitizer has ended the program, with this status and 256
    uint32_t is_mute;          ///< the program's own output is not shown
    uint32_t finds_races;      ///< ThreadSanitizer: has a thread of its own, decides by itself who runs a routine once
    uint32_t pad;
} castor_lenient;

typedef struct castor_segment {
    uint64_t magic;
    uint32_t abi;
    uint32_t mode;
    uint32_t order;
    uint32_t options;
    uint32_t agent_pid;
    uint32_t main_pid;
    uint32_t ring_count;
    uint32_t ring_slots;      ///< power of two
    uint64_t ring_bytes;      ///< header and slots of one ring
    uint64_t rings_offset;
    uint64_t versions_offset; ///< CASTOR_SHARDS × (version, count of what its owner has written), uint64_t each
    uint64_t waiters_offset;  ///< CASTOR_SHARDS × uint32_t
    uint64_t progress_offset; ///< (CASTOR_OWNERS + 1) × castor_progress
    uint64_t bytes;
    /// Replay: the stream at whose start the process waits for a debugger, else CASTOR_NO_SHARD; and its process there.
    uint32_t debug_stream, debug_pid;
    /// Replay: the agent has handed out all events.
    uint32_t all_fed;
    /// Recording: seed of the chaos mode, 0: off. See Chaos.swift.
    uint32_t chaos;
    uint32_t next_stream;
    /// Non-zero once recording has been given up: threads stop writing and run on.
    uint32_t stopped;
    /// Replay: signal number the recorded program died of, else 0; exit code in `final_code`.
    uint32_t final_signal;
    uint32_t final_code;
    uint32_t unsupported;     ///< count of unsupported calls met
    uint32_t finished;        ///< replay: every thread came to its end
    // the agent's line
    uint32_t agent_sleeping;  ///< futex word: CASTOR_AGENT_*
    uint32_t rings_used;      ///< rings below this index may be in use
    /// Recording: thread ids that write to the standard output and error now, so that the log has the order in which
    /// the bytes came out.
    uint32_t writing[2];
    /// Replay: streams that exist in the recording.
    uint32_t stream_count;
    uint32_t shared_lock;
    /// Standby that went live: connections that wait in place of clients' for the program to accept them (Backlog.swift), and futex
    /// word: how often the program has asked whether it has accepted one of them.
    uint32_t backlog, backlog_calls;
    uint32_t pad1[8];
    // the total order's line
    uint64_t turn;
    uint32_t turn_waiters;
    /// Recording in chaos mode: events begun so far by all threads of all processes.
    uint32_t progress;
    /// Standby: futex word, 1 once the program goes on by itself.
    uint32_t live;
    /// Recording with a standby: non-zero while output waits for its acknowledgement.
    uint32_t committing;
    uint64_t connections_offset; ///< a bit per connection that has changed, in words of 32; then castor_connection × CASTOR_CONNECTIONS
    uint64_t retained_offset; ///< CASTOR_RETAINED × CASTOR_CONNECTIONS; 0: nothing is retained
    uint32_t lost;            ///< said already, a bit each: why a standby cannot go on with connections (Connections.swift)
    uint32_t skipping;        ///< connections that have something to skip
    uint64_t held_offset;     ///< castor_output_queue × ring_count; 0: outputs are not held
    uint64_t held_bytes_offset; ///< CASTOR_HELD_BYTES × ring_count
    uint64_t identities_offset; ///< recorded id << 32 | the kernel's here, × CASTOR_IDENTITIES: see Identities.swift
    uint32_t identities_noted, pad3; ///< in all; the place is this modulo CASTOR_IDENTITIES
    castor_report report;
    /// Replay: addresses of polled mutexes, as far as the agent has read; then zeros.
    uint64_t polled[CASTOR_POLLED];
    /// Replay: lock events of polling threads that were passed over, and locks taken that are not in the log.
    uint64_t polls_passed, polls_added;
    /// Hashes of programs that were said to be unrecorded.
    uint64_t said[32];
    /// Recording: process ids of children that the agent does not know yet, 0: free. Parents put them there, for a child may
    /// not have had the processor yet when its parent has ended.
    uint32_t newborn[CASTOR_NEWBORN];
    /// Replay: streams that have ended, a bit each, by number modulo CASTOR_ENDED.
    uint32_t ended[CASTOR_ENDED / 32];
    /// Replay: a directory that the runtime may make and use; the tool removes it.
    char scratch[128];
    /// Names of the programs that are recorded, each NUL-terminated; empty: all.
    char only[1024];
    castor_shared shared[CASTOR_SHARED];
    castor_lenient lenient;
    /// Recording: rings that the agent is to look at, a bit each.
    uint64_t calls[CASTOR_RINGS / 64];
} castor_segment;
#define CASTOR_SEGMENT_HEADER 8192u
_Static_assert(sizeof(castor_segment) <= CASTOR_SEGMENT_HEADER, "the versions begin on the third page");
_Static_assert(offsetof(castor_segment, agent_sleeping) == 128, "agent's line");
_Static_assert(offsetof(castor_segment, turn) == 192, "turn");
