/// What the C mechanism of the instruction plane and the Swift policy say to each other.
///
/// The C side owns the outermost frames, the assembly, signal entry and the page from which the kernel accepts
/// system calls. The Swift side (CastorRuntime) decides what a call means: it is called before and after the
/// real call and is never on the stack while one blocks.
#pragma once
#include "ctsx.h"
#include <sys/syscall.h>

#define CASTOR_HIDDEN __attribute__((visibility("hidden")))

// MARK: - State

/// A system call on its way through the gate. The assembly in gate.S knows these offsets.
typedef struct castor_frame {
    int64_t result;            // 0
    uint64_t nr;               // 8
    uint64_t a0, a1, a2, a3, a4, a5; // 16 … 56
    uint64_t return_address;   // 64: where the gate jumps back to (may lie in a trampoline)
    uint64_t stack;            // 72
    uint64_t site;             // 80: the instruction after the original `syscall`, for unwinders
    // policy's scratch
    uint64_t version;          // 88
    uint32_t shard;            // 96: CASTOR_NO_SHARD when no version was taken before the call
    uint32_t flags;            // 100
    uint64_t spare[3];         // 104 …
    uint64_t saved_index;      // 128: argument the policy edited (7: none), restored before returning
    uint64_t saved_value;      // 136
    uint64_t scratch[10];      // 144 … 224: edited argument structures
} castor_frame;
_Static_assert(sizeof(castor_frame) == 224, "gate.S reserves 224 bytes");

/// What the gate does after `castor_syscall_enter`.
enum : int32_t {
    CASTOR_EXECUTE = 0, ///< make the call, then castor_syscall_exit
    CASTOR_DONE = 1,    ///< the result is in the frame
    CASTOR_CLONE = 2,   ///< a child on a new stack that shares memory
    CASTOR_VFORK = 3,   ///< a child on the same stack
    CASTOR_SIGRETURN = 4,
    CASTOR_PASS = 5,    ///< make the call, nothing afterwards
    CASTOR_DELIVER = 6, ///< deliver the signals that are due, then ask again
};

/// What a thread gets back when its vfork child is gone, and what the event of the call needs.
typedef struct castor_lender {
    uint64_t return_address;
    castor_ring *_Nullable ring;
    uint32_t stream, tid, pid;
    uint32_t child;            ///< the child's stream, 0: not recorded
    struct castor_tables *_Nullable tables;
    uint8_t borrowing;
    uint8_t spare[3];
    uint32_t shard;
    uint64_t version, nr, object, hash;
    int64_t result;            ///< replay: the recorded one
} castor_lender;
#define CASTOR_VFORKS 16

#define CASTOR_CLASSES 88
/// One size class of a thread's allocation cache: an intrusive list.
typedef struct castor_cache {
    void *_Nullable first;
    uint64_t count;
} castor_cache;

/// The last loads of the compiler plane, of which the following may be repetitions.
#define CASTOR_LOADS 8u
typedef struct castor_load_seen {
    uint64_t address, version, low, high;
    uint64_t writes;           ///< recording: by the shard's owner
    uint16_t nr, pad[3];
} castor_load_seen;
typedef struct castor_loads {
    uint64_t events;           ///< recording: the ring's count of events after the last of them
    uint32_t forks;            ///< recording: what castor_ring.forks is, while that says CASTOR_COUNTING
    uint32_t count;            ///< loads logged so far; the last CASTOR_LOADS of them are in `seen`
    uint32_t period;           ///< so many take turns
    uint32_t pad;
    uint64_t repeats;          ///< recording: counted so far; replay: to come, with those
    uint64_t done;             ///< that have been
    castor_load_seen seen[CASTOR_LOADS];
} castor_loads;
/// `castor_ring.forks` while loads are counted: in step with no process.
#define CASTOR_COUNTING 0xffffffffu
CASTOR_INLINE int castor_same_load(const castor_load_seen *_Nonnull a, const castor_load_seen *_Nonnull b) {
    return a->address == b->address && a->version == b->version && a->low == b->low && a->high == b->high && a->nr == b->nr &&
           a->writes == b->writes;
}
CASTOR_INLINE castor_load_seen *_Nonnull castor_loads_repeated(castor_loads *_Nonnull l) {
    uint64_t turn = l->period ? l->done % l->period : 0;
    return &l->seen[(l->count - l->period + turn) % CASTOR_LOADS];
}
CASTOR_INLINE castor_load_seen *_Nonnull castor_loads_next(castor_loads *_Nonnull l) { return &l->seen[l->count % CASTOR_LOADS]; }

/// Operations on shards that the thread owns: see castor_progress.
typedef struct castor_owned {
    castor_progress *_Nullable progress;
    uint64_t hash;             ///< of the row so far
    uint64_t left;             ///< replay: so many of the row are still to come
    uint64_t expected;         ///< replay: the row's hash, 0: not known
    uint64_t owner;            ///< recording: the upper bits of the words of shards that this thread owns
    uint32_t forks;            ///< recording: what castor_ring.forks is, while that says CASTOR_COUNTING
    uint8_t state;             ///< recording: CASTOR_ROW_*
    uint8_t inside;            ///< recording: between the count and the end of one that may write
    uint8_t voided;            ///< the row's last one is counted and not done
    uint8_t pad;
} castor_owned;
enum : uint8_t { CASTOR_ROW_NONE = 0, CASTOR_ROW_BEGUN = 1, CASTOR_ROW_GOING = 2 };

/// A region of the compiler plane that the thread is in.
#define CASTOR_REGION_BYTES 256u
typedef struct castor_region {
    uint64_t found;            ///< recording: the version word that it took
    uint64_t length;           ///< bytes of output so far
    uint64_t kept;             ///< replay: bytes that the log has
    uint32_t shard;            ///< CASTOR_NO_SHARD: not recorded
    uint8_t entered;           ///< the thread is in it
    uint8_t ordered;           ///< castor_thread.ordered outside of it
    uint8_t faulted;           ///< replay: the log does not have it, so it faulted, or replay goes another way
    uint8_t pad;
    uint8_t bytes[CASTOR_REGION_BYTES];
} castor_region;

#define CASTOR_RECENT 8u
/// What the chaos mode keeps for a thread.
typedef struct castor_unrest {
    uint64_t chance;           ///< random numbers
    int32_t due;               ///< events until it may be stopped
    uint32_t pace;             ///< nanoseconds between two events of the others, as of the last stop; 0: not known
    uint32_t place;            ///< where it is to be stopped then
    uint32_t recent_next;
    uint32_t busy;             ///< counted in the process's
    uint32_t spare;
    uint64_t recent[CASTOR_RECENT]; ///< shared objects that it took last
} castor_unrest;

/// Everything the runtime keeps for a thread; initial-exec thread-local storage.
typedef struct castor_thread {
    uint64_t pending_signals;  ///< so many are deferred (gate.S reads it at offset 0)
    castor_ring *_Nullable ring; ///< nil: not attached, nothing is recorded
    castor_frame *_Nullable frame; ///< the call in the gate's window
    uint32_t stream;
    uint32_t tid;              ///< real thread id
    uint8_t ordered;           ///< symbol-plane events are recorded
    uint8_t delivering;        ///< the signal that castor_raise sends
    uint8_t creating;          ///< inside the real pthread_create
    uint8_t vforked;           ///< what happens now is no event: a child that shares memory, or part of a clock's
    uint8_t writing;           ///< 1 + index of the standard stream whose order this thread holds
    uint8_t overdue;           ///< signals are handled here though this is no event boundary
    uint8_t disturbed;         ///< recording: what it does beside, see Commit.swift
    uint8_t borrowing;         ///< this is a vfork child on its parent's thread
    uint32_t pid;              ///< real process id; a vfork child's while it borrows the thread
    uint32_t slot;             ///< stack slot + 1, 0: none
    uint32_t mood;             ///< chaos: how this thread is treated now
    uint32_t vfork_depth;
    castor_lender vforks[CASTOR_VFORKS];
    struct castor_tables *_Nullable tables; ///< a vfork child's own; null: the process's
    const void *_Nullable info; ///< siginfo of the signal that is being delivered
    uint64_t polls;            ///< so far; the next one at which signals are due (replay),
    uint64_t poll_next;
    uint64_t poll_head;        ///< as the entry at this place of the ring says
    uint64_t is_raising;       ///< libc has just asked for this thread's id: see Identities.swift
    uint64_t looks;            ///< replay: at a polled variable, more than recorded, since this thread's last event
    uint64_t looks_place;      ///< that event's number
    uint64_t looks_since;      ///< and when there had been very many of them (ns)
    castor_loads loads;
    castor_owned owned;
    castor_region region;
    castor_cache caches[CASTOR_CLASSES];
    castor_unrest unrest;      ///< chaos
} castor_thread;

extern __thread castor_thread castor_self CASTOR_HIDDEN __attribute__((tls_model("initial-exec")));
CASTOR_INLINE castor_thread *_Nonnull castor_me(void) { return &castor_self; }
/// No signal waits, and none of the states holds in which a call takes a way of its own.
CASTOR_INLINE int castor_is_undisturbed(const castor_thread *_Nonnull me) {
    return (me->pending_signals | me->vforked | me->writing | me->disturbed) == 0;
}

/// CASTOR_MODE_*: off until the segment is mapped, and again once recording has been given up.
extern uint32_t castor_mode CASTOR_HIDDEN;
extern castor_segment *_Nonnull castor_seg CASTOR_HIDDEN;
CASTOR_INLINE uint32_t castor_mode_now(void) { return __atomic_load_n(&castor_mode, __ATOMIC_RELAXED); }
CASTOR_INLINE void castor_mode_set(uint32_t m) { __atomic_store_n(&castor_mode, m, __ATOMIC_RELEASE); }
CASTOR_INLINE castor_segment *_Nonnull castor_segment_now(void) { return castor_seg; }
/// Whether the next event is to be replayed. The thread of a standby that has done all that it was sent waits here for more;
/// when the standby goes live, it is told no.
CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_still_replays(void);
CASTOR_INLINE int castor_replays(void) {
    if (castor_mode_now() != CASTOR_MODE_REPLAY) return 0;
    return !(castor_seg->options & CASTOR_OPT_STANDBY) || castor_still_replays();
}
/// The policy of it: the thread's next entry is CASTOR_EV_LIVE, and from now on it records.
CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_goes_live(void);

/// Objects that the chaos mode remembers.
#define CASTOR_TAKERS 1024u

/// Processes that this one descends from and whose connections it has: objects below `end` are that one's, unless they are an older one's.
#define CASTOR_ANCESTORS 8u
typedef struct castor_ancestor {
    uint32_t pid, end;
} castor_ancestor;

/// Per-process state of the policy: plain words, so that Swift needs no globals of its own.
typedef struct castor_process {
    uint32_t multithreaded;    ///< a second thread was created, ever
    uint32_t live;             ///< threads created and not ended
    uint32_t parked;           ///< replay: threads at the end of their streams (futex word)
    uint32_t pid;              ///< real process id
    uint32_t debugged;         ///< replay: a debugger looks at this process
    int32_t segment_fd;        ///< the segment's descriptor, kept for programs that this one executes
    uint32_t next_object;      ///< open file descriptions named so far
    uint32_t stack_lock;
    uint32_t stack_high;       ///< stack slots used so far
    uint32_t heap_lock;
    uint32_t forks;            ///< recording: counts up before and after each fork of several threads (futex word)
    uint32_t has_rtm;          ///< transactions are wanted, exist here, and passed their self-test
    uint64_t attached[64];     ///< replay: System V memory, pairs of address and size
    uint64_t said[8];          ///< unsupported calls already named, a bit each
    uint64_t default_stack;    ///< bytes
    uint64_t libc_start, libc_end, loader_start, loader_end, runtime_start, runtime_end; ///< executable ranges
    uint64_t syscall_start, syscall_end; ///< libc's syscall(): the program's own system calls
    uint64_t stack_region;     ///< where the stacks of threads lie
    uint64_t sanitizer[16];    ///< code of a sanitizer's runtime, pairs of start and end
    uint64_t tokens;           ///< the table of Tokens.swift
    uint32_t sanitizers;       ///< so many pairs
    uint32_t brings_heap;      ///< the sanitizer is the program's malloc: the heap is not laid out
    uint64_t streams[2];       ///< the standard output and error (FILE), as the C library made them
    uint64_t processors[16];   ///< chaos: the affinity at the start
    uint32_t stopped;          ///< chaos: threads that stand still
    uint32_t asked;            ///< signals whose disposition Rust's library has asked for, a bit each (rust.c)
    uint32_t busy;             ///< chaos: threads that do not wait for input, as far as is known
    uint32_t dying;            ///< recording: the process id, once a thread dies of a fault (futex word)
    uint32_t unowned;          ///< recording: its memory changes in ways that the compiler plane does not see, or not in one
                               ///< piece (others map it, assembly, order=shared): its threads own nothing
    uint32_t went_live;        ///< standby: this process goes on by itself
    castor_ancestor ancestors[CASTOR_ANCESTORS]; ///< the oldest first; pid 0: no more
    uint64_t takers[CASTOR_TAKERS]; ///< chaos: objects by address, who took them last, and whether others do: see Chaos.swift
    uint64_t vdso_clock_gettime, vdso_gettimeofday, vdso_time, vdso_getcpu, vdso_clock_getres; ///< real entries
} castor_process;
extern castor_process castor_proc CASTOR_HIDDEN;
CASTOR_INLINE castor_process *_Nonnull castor_process_now(void) { return &castor_proc; }

CASTOR_FIELD(process, heap_lock, uint32_t)
CASTOR_FIELD(process, stack_lock, uint32_t)
CASTOR_FIELD(process, live, uint32_t)
CASTOR_FIELD(process, forks, uint32_t)
CASTOR_FIELD(process, stopped, uint32_t)
CASTOR_FIELD(process, busy, uint32_t)
CASTOR_FIELD(process, dying, uint32_t)
CASTOR_FIELD(process, went_live, uint32_t)
CASTOR_FIELD(process, parked, uint32_t)
CASTOR_FIELD(process, next_object, uint32_t)
CASTOR_ARRAY(process, said, uint64_t)
CASTOR_ARRAY(process, processors, uint64_t)
CASTOR_ARRAY(process, takers, uint64_t)
CASTOR_ARRAY(process, ancestors, castor_ancestor)
CASTOR_ARRAY(unrest, recent, uint64_t)
CASTOR_FIELD(thread, unrest, castor_unrest)
CASTOR_ARRAY(process, streams, uint64_t)
CASTOR_INLINE castor_lender *_Nonnull castor_lender_at(castor_thread *_Nonnull t, uint32_t i) { return &t->vforks[i % CASTOR_VFORKS]; }
CASTOR_ARRAY(process, attached, uint64_t)
CASTOR_FIELD(thread, loads, castor_loads)
CASTOR_FIELD(thread, owned, castor_owned)
CASTOR_FIELD(thread, region, castor_region)
CASTOR_ARRAY(region, bytes, uint8_t)
CASTOR_INLINE castor_cache *_Nonnull castor_thread_cache(castor_thread *_Nonnull t, uint64_t i) { return &t->caches[i]; }

/// Descriptor table: kind in the low 4 bits, object number above.
#define CASTOR_DESCRIPTORS 65536u
/// Kinds from this one on are of descriptors that have been closed: see DescriptorKind.
#define CASTOR_DESCRIPTOR_CLOSED 6u
/// The program's view of a signal's disposition, as the kernel's struct.
typedef struct castor_action {
    uint64_t handler, flags, restorer, mask;
} castor_action;
/// What a process has for itself even where it shares memory with its parent.
typedef struct castor_tables {
    castor_action actions[65];
    uint32_t descriptors[CASTOR_DESCRIPTORS];
} castor_tables;
extern castor_tables castor_own_tables CASTOR_HIDDEN;
CASTOR_INLINE castor_tables *_Nonnull castor_tables_now(void) {
    return castor_self.tables ? castor_self.tables : &castor_own_tables;
}
CASTOR_INLINE uint32_t *_Nonnull castor_descriptor(uint64_t fd) {
    return &castor_tables_now()->descriptors[fd < CASTOR_DESCRIPTORS ? fd : CASTOR_DESCRIPTORS - 1];
}
CASTOR_INLINE castor_action *_Nonnull castor_action_at(uint64_t s) { return &castor_tables_now()->actions[s <= 64 ? s : 0]; }
/// Copies of the calling thread's tables, for a vfork child; null when there is no memory.
CASTOR_NOLOCKS CASTOR_HIDDEN castor_tables *_Nullable castor_tables_copy(void);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_tables_drop(castor_tables *_Nonnull t);

/// Stacks of threads: fixed places, so that addresses do not depend on when a thread's end was noticed.
#define CASTOR_STACKS 65536u
#define CASTOR_STACK_REGION 0x680000000000ull
/// In a replay with a sanitizer what is the runtime's lies beside libraries: sanitizers take nearly everything else for
/// themselves, and ThreadSanitizer knows no other places for a program's memory.
#define CASTOR_SANITIZED_SEGMENT 0x7e8000000000ull
#define CASTOR_SANITIZED_STACKS 0x7e9000000000ull
#define CASTOR_SANITIZED_VDSO 0x7f9e00000000ull
#define CASTOR_STACK_STRIDE 0x1000000ull
enum : uint8_t { CASTOR_STACK_FREE = 0, CASTOR_STACK_USED = 1, CASTOR_STACK_EXITED = 2 };
typedef struct castor_stack {
    uint64_t size;             ///< mapped bytes, 0: never mapped
    uint32_t tid;              ///< real id of the owner
    uint8_t state;
    uint8_t released;          ///< joined or detached: nobody will look at it again
    uint8_t detached;          ///< asked for; the thread detaches itself at its end
    uint8_t ending;            ///< the start routine is over
} castor_stack;
extern castor_stack castor_stacks[CASTOR_STACKS] CASTOR_HIDDEN;
CASTOR_INLINE castor_stack *_Nonnull castor_stack_at(uint32_t i) { return &castor_stacks[i & (CASTOR_STACKS - 1)]; }

/// The central heap. Pages of 64 KiB at a fixed place; `class` and `run` say what each page belongs to.
#define CASTOR_HEAP_REGION 0x600000000000ull
#define CASTOR_HEAP_CLASSES 0x5f0000000000ull /* uint8_t per page: size class + 1, 255: head of a run, 0: unused */
#define CASTOR_HEAP_RUNS 0x5f1000000000ull    /* uint32_t per page: pages of the run that starts here */
#define CASTOR_HEAP_NEXT 0x5f2000000000ull    /* uint32_t per page: next free run + 1 */
#define CASTOR_HEAP_PAGES 0x1000000ull
typedef struct castor_heap {
    uint64_t pages;            ///< pages handed out so far, from the start of the region
    uint64_t mapped;           ///< pages mapped so far
    uint32_t free_run;         ///< first free run + 1, by address
    uint32_t ready;
    struct { void *_Nullable first; uint64_t carve, end; } classes[CASTOR_CLASSES];
} castor_heap;
extern castor_heap castor_heap_state CASTOR_HIDDEN;
CASTOR_INLINE castor_heap *_Nonnull castor_heap_now(void) { return &castor_heap_state; }
typedef struct castor_class {
    void *_Nullable first;
    uint64_t carve, end;
} castor_class;
CASTOR_INLINE castor_class *_Nonnull castor_class_at(uint64_t i) { return (castor_class *)&castor_heap_state.classes[i]; }


// MARK: - Mechanism (C and assembly)

/// A system call of the runtime itself, made from the gate; returns -errno.
CASTOR_NOLOCKS CASTOR_HIDDEN int64_t castor_gate_syscall(
    uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
CASTOR_HIDDEN void castor_gate_restorer(void);
CASTOR_HIDDEN void castor_gate_entry(void);
extern char castor_gate_start[] CASTOR_HIDDEN, castor_gate_end[] CASTOR_HIDDEN;
extern char castor_window_begin[] CASTOR_HIDDEN, castor_window_end[] CASTOR_HIDDEN;
CASTOR_INLINE uint64_t castor_restorer_address(void) { return (uint64_t)(void *)castor_gate_restorer; }

/// Arms Syscall User Dispatch for the calling thread.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_arm(void);
/// Rewrites the system call sites in an executable range.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_patch(uint64_t start, uint64_t end);
/// Delivers the signals that are due at this event boundary. In C, for a handler may throw or cancel the thread, and
/// Swift frames cannot be unwound.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_deliver(void);
/// The recording half of it.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_deliver_pending(void);
/// Has the kernel deliver a signal to this thread now, with this siginfo.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_raise(uint32_t signal, const void *_Nonnull info);
/// The signal entry that stands in for every handler the program installs.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_signal_entry(int signal, void *_Nullable info, void *_Nullable context);
CASTOR_INLINE uint64_t castor_signal_entry_address(void) { return (uint64_t)(void *)castor_signal_entry; }
/// A forked child has none of its parent's pending signals.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_forget_pending(void);
/// Recording: the program has changed its mask: waiting signals that are blocked now are the kernel's again.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_mask_changed(void);
/// Replay: delivers the signals that come before this thread's next own event. For C frames that are about to replay a
/// call, as castor_deliver is.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_settle(void);
/// What castor_raise sends carries this value.
#define CASTOR_RAISED 0x636173746f72ull
/// XXH3-64 with general registers only.
CASTOR_NOLOCKS CASTOR_HIDDEN uint64_t castor_hash(const void *_Nonnull bytes, uint64_t length);
CASTOR_NOLOCKS CASTOR_HIDDEN uint64_t castor_hash_seeded(const void *_Nonnull bytes, uint64_t length, uint64_t seed);
CASTOR_NOLOCKS CASTOR_HIDDEN uint64_t castor_hash_path(const char *_Nonnull path);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_copy(void *_Nonnull to, const void *_Nonnull from, uint64_t length);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_zero(void *_Nonnull to, uint64_t length);
CASTOR_NOLOCKS CASTOR_HIDDEN uint64_t castor_length(const char *_Nonnull s);
/// Replay: returns when a debugger has set castor_debugger_is_here.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_await_debugger(void);
/// Replay: the recorded fault is reached and every other thread is at its end. A debugger's breakpoint goes here.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_fault_reached(void);
/// Calls a vDSO function at its real place.
CASTOR_NOLOCKS CASTOR_HIDDEN int64_t castor_call2(uint64_t function, uint64_t a0, uint64_t a1);

// MARK: - Programs to be executed (exec.c)

enum : uint32_t {
    CASTOR_IMAGE_RECORDED = 0,
    CASTOR_IMAGE_UNRECORDED = 1, ///< `reason` says why
    CASTOR_IMAGE_FAILS = 2,      ///< the kernel will refuse it
};
/// What is known of a program before it is executed. Lies in an area of its own (castor_exec_area).
typedef struct castor_exec {
    uint32_t verdict;
    uint32_t words_length;
    const char *_Nullable reason;
    char path[4096];           ///< absolute path of the object file that will run
    char name[4096];           ///< the path as the kernel sees it given
    char words[1024];          ///< what interpreter lines put before `name`, each NUL-terminated
} castor_exec;
/// The calling thread's area, which the new program's environment is built in as well; null when there is no memory.
CASTOR_NOLOCKS CASTOR_HIDDEN castor_exec *_Nullable castor_exec_area(uint32_t stream);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_exec_done(uint32_t stream);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_exec_examine(
    castor_exec *_Nonnull x, int32_t directory, const char *_Nonnull path, uint64_t flags);
/// The environment with which the program finds the segment and its own `stream`.
CASTOR_NOLOCKS CASTOR_HIDDEN uint64_t castor_exec_environment(
    castor_exec *_Nonnull x, uint64_t envp, uint32_t stream, uint32_t parent, uint32_t borrowed);
/// Replay: executes the program of `x` with the arguments that the kernel made of `argv`. Returns -errno.
CASTOR_NOLOCKS CASTOR_HIDDEN int64_t castor_exec_again(
    castor_exec *_Nonnull x, uint64_t argv, uint64_t envp, uint32_t stream);
/// Where the runtime was found, for LD_PRELOAD.
extern char castor_runtime_path[512] CASTOR_HIDDEN;
CASTOR_INLINE char *_Nonnull castor_exec_path(castor_exec *_Nonnull x) { return x->path; }
CASTOR_INLINE char *_Nonnull castor_exec_name(castor_exec *_Nonnull x) { return x->name; }
CASTOR_INLINE char *_Nonnull castor_exec_words(castor_exec *_Nonnull x) { return x->words; }

// MARK: - Programs of Rust's (rust.c)

/// Whether Rust's compiler made the running program.
CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_is_rust(void);

// MARK: - Policy (Swift)

CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_syscall_enter(castor_frame *_Nonnull frame);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_syscall_exit(castor_frame *_Nonnull frame);
/// A program as the kernel has just started it. The payload of its first event, each part after its length in four
/// bytes: `random`, `name`, `words`, `maps`.
typedef struct castor_image {
    uint32_t stream, parent;
    uint32_t borrowed;         ///< a vfork child executed it: the parent gives the old ring back
    uint32_t words_length, maps_length, name_length;
    void *_Nonnull random;     ///< the 16 bytes of AT_RANDOM: replay puts the recorded ones there
    char *_Nonnull name;       ///< AT_EXECFN: likewise
    const char *_Nonnull words; ///< argument strings
    const char *_Nonnull maps; ///< text of /proc/self/maps
} castor_image;
/// First words of a program's main thread.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_attach_image(const castor_image *_Nonnull image);
/// Recording: has the agent look at the ring.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_call_agent(castor_ring *_Nonnull ring);
/// Recording: a handler is about to run at an event boundary.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_signal_due(void);
/// Replay: puts the siginfo of the next entry, when it is a signal, into `info` (128 bytes) and gives its number, else 0.
CASTOR_NOLOCKS CASTOR_HIDDEN uint32_t castor_take_recorded(void *_Nonnull info);
/// Replay: whether a signal comes before this thread's next own event.
CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_next_is_signal(void);
enum : int32_t {
    CASTOR_SIGNAL_DROPPED = 0,
    CASTOR_SIGNAL_HANDLED = 1,  ///< its handler runs now
    CASTOR_SIGNAL_DEFERRED = 2, ///< at the next event boundary
    CASTOR_SIGNAL_OVERDUE = 3,  ///< those that were deferred are handled now
    CASTOR_SIGNAL_FATAL = 4,    ///< the process dies of it when the instruction faults again
};
/// A signal arrived: what becomes of it.
CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_signal_arrived(
    int32_t signal, const void *_Nonnull info, uint64_t address, uint64_t in_window, uint64_t ip);
/// The handler returned; `frame` was the call it interrupted.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_signal_returned(castor_frame *_Nullable frame);
/// First words of a child on a new stack; `top` is what the parent put there (gate.S).
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_child_started(const uint64_t *_Nonnull top);
/// Added to the object: the thread may have to wait until others want something of it. With no object at all it asks for
/// input, and is done with what it was about.
#define CASTOR_MAY_REST 1ull
/// Chaos mode: the thread is about to make an event; it takes `object`, or no such thing (0).
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_disturb(uint64_t object);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_vfork_push(uint64_t return_address);
/// In the child and, later, in the parent; `result` is what the call returns. Says where to go on.
CASTOR_NOLOCKS CASTOR_HIDDEN uint64_t castor_vfork_after(int64_t *_Nonnull result);
CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_clock(uint32_t nr, uint64_t a0, uint64_t a1);

// MARK: - The compiler plane's side

CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_make_room(castor_ring *_Nonnull ring, uint32_t length);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_publish_stamped(castor_ring *_Nonnull ring, const castor_entry *_Nonnull entry);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_record_region(uint64_t object);
CASTOR_NOLOCKS CASTOR_HIDDEN uint64_t castor_value(uint64_t value);
CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_poll(void);
CASTOR_NOLOCKS CASTOR_HIDDEN uint32_t castor_replay_write(
    uint16_t nr, uint64_t object, uint64_t operands, uint64_t *_Nonnull old);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_replayed_write(uint32_t shard);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_replay_load(uint16_t nr, uint64_t object, uint64_t *_Nonnull value);
CASTOR_NOLOCKS CASTOR_HIDDEN uint32_t castor_replay_region(uint64_t object);
/// Whether the next operation is of a row on shards that the thread owned. Afterwards, once it is counted and when the row
/// ends or somebody waits: the second.
CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_replay_row(void);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_replayed_in_row(void);

// MARK: - The symbol plane's side

/// What replay tells a wrapper about the recorded call.
typedef struct castor_turn {
    int64_t result;
    uint64_t value;
    uint32_t shard;
    uint16_t id;
    uint16_t is_open;          ///< standby: the event is still in the ring
    uint64_t object;
} castor_turn;

/// Recording: logs a call of the symbol plane after it was made. `ordered`: it acquired something, so it takes a
/// version; the caller still holds what it acquired.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_symbol_record(
    uint16_t id, uint64_t object, int64_t result, uint64_t value, int32_t ordered);
/// Replay: waits for the turn of the recorded call. `castor_symbol_replayed` passes the turn on.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_symbol_replay(castor_turn *_Nonnull turn, uint16_t id, uint64_t object);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_symbol_replayed(castor_turn *_Nonnull turn);
/// The same around a real call that takes a lock, and so may wait for a thread that is to unlock. A standby may go live meanwhile:
/// then the recorded call did not happen, and this one is recorded.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_symbol_acquire(castor_turn *_Nonnull turn, uint16_t id, uint64_t object);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_symbol_acquired(castor_turn *_Nonnull turn);

/// castor.h: a text past the log, and the end of a replay where a condition does not hold.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_say_aside(const void *_Nonnull text, uint64_t length);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_assertion_failed(void);

/// Replay of another build than the recorded one.
CASTOR_INLINE int castor_is_lenient(void) { return (castor_seg->options & CASTOR_OPT_LENIENT) != 0; }
CASTOR_INLINE int castor_is_sanitized(void) { return (castor_seg->options & CASTOR_OPT_SANITIZED) != 0; }
CASTOR_INLINE int castor_is_sanitizers(uint64_t code) {
    for (uint32_t i = 0; i < castor_proc.sanitizers; i++)
        if (code >= castor_proc.sanitizer[2 * i] && code < castor_proc.sanitizer[2 * i + 1]) return 1;
    return 0;
}

/// Replay: this thread waits outside the kernel for something real, or has it now.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_blocked(int32_t blocked);
/// Replay: whether the next entry is this call of the symbol plane.
CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_next_is(uint16_t id);
CASTOR_NOLOCKS CASTOR_HIDDEN int64_t castor_next_result(void);
/// Replay: whether this thread's stream goes on with the initialisation of the static variable with this guard.
CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_next_guard(uint64_t guard);
/// The handler of CASTOR_SIGCANCEL: a cancellation request reaches its thread here, at an event boundary.
CASTOR_HIDDEN void castor_cancel_self(int signal, void *_Nullable info, void *_Nullable context);

/// A thread about to be created, and how its start routine is called.
typedef struct castor_start_info {
    void *_Nullable (*_Nonnull routine)(void *_Nullable);
    void *_Nullable argument;
    uint64_t stack;            ///< lowest usable byte, 0: libc's or the program's own
    uint64_t size;
    uint32_t slot;             ///< stack slot + 1
    uint32_t stream;
    uint32_t parent;
    uint32_t detached;
} castor_start_info;
/// Chooses stream and stack; `size` is what the attributes ask for, 0 when the program brings a stack of its own.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_thread_prepare(castor_start_info *_Nonnull info, uint64_t size, uint64_t guard);
/// The real pthread_create returned; gives the result to return.
CASTOR_NOLOCKS CASTOR_HIDDEN int32_t castor_thread_created(castor_start_info *_Nonnull info, int32_t result);
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_thread_attach(const castor_start_info *_Nonnull info);
/// The stack of the thread with this address, null when it is not one of ours.
CASTOR_INLINE castor_stack *_Nullable castor_stack_of(uint64_t thread) {
    uint64_t region = castor_proc.stack_region, i = (thread - region) / CASTOR_STACK_STRIDE;
    return thread >= region && i < CASTOR_STACKS ? &castor_stacks[i] : 0;
}
/// pthread_join or pthread_detach: nobody will look at the thread with this address again.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_thread_released(uint64_t thread);

// MARK: - The allocator

CASTOR_NOLOCKS CASTOR_HIDDEN void *_Nullable castor_allocate(uint64_t bytes);
CASTOR_NOLOCKS CASTOR_HIDDEN void *_Nullable castor_allocate_aligned(uint64_t alignment, uint64_t bytes);
/// `fresh` is set when the memory is known to be zero.
CASTOR_NOLOCKS CASTOR_HIDDEN void castor_free(void *_Nonnull pointer);
CASTOR_NOLOCKS CASTOR_HIDDEN uint64_t castor_usable(const void *_Nonnull pointer);
