/// Where the kernel delivers signals: SIGSYS turns a trapped system call into a jump to the gate, every other
/// handled signal comes to castor_signal_entry, which runs the program's handler now or leaves it for the next
/// event boundary.
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include "castor_start.h"

#define PR_SET_SYSCALL_USER_DISPATCH 59
void castor_arm(void) {
    castor_gate_syscall(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, 1, (uint64_t)castor_gate_start,
                        (uint64_t)(castor_gate_end - castor_gate_start), 0, 0);
}

#define TRAPPED 2 /* SYS_USER_DISPATCH */
/// rcx and r11 are free to use: the kernel would have clobbered them. A SIGSYS that somebody sent is the program's.
void castor_sigsys(int s, void *info, void *context) {
    if (((siginfo_t *)info)->si_code != TRAPPED) {
        castor_signal_entry(s, info, context);
        return;
    }
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    g[REG_RCX] = g[REG_RIP];
    g[REG_R11] = g[REG_RIP];
    g[REG_RIP] = (greg_t)castor_gate_entry;
}

static int is_fault(uint32_t s) { return s == SIGSEGV || s == SIGBUS || s == SIGFPE || s == SIGILL || s == SIGTRAP; }

static uint64_t bit(uint32_t s) { return 1ul << (s - 1); }

/// SA_RESETHAND takes effect when the handler runs, not when the kernel delivers to us.
static void reset(uint32_t s) {
    castor_action none = {0}, ours = {castor_signal_entry_address(), SA_SIGINFO | SA_ONSTACK | 0x04000000,
                                      castor_restorer_address(), 0};
    castor_action_at(s)->handler = 0;
    if (s != SIGSYS) castor_gate_syscall(SYS_rt_sigaction, s, (uint64_t)(is_fault(s) ? &ours : &none), 0, 8, 0, 0);
}

enum { ROOM = 256 };
typedef struct waiting {
    uint64_t (*infos)[16];
    uint64_t standard;         ///< those of the numbers below 32 that wait
    uint64_t blocked;          ///< found no room
    uint64_t held;             ///< so many wait for a handler's end; castor_thread.pending_signals does not count them
    uint32_t taken, filled;
} waiting;
static __thread waiting queue __attribute__((tls_model("initial-exec")));

static void count_held(void);
static void hold_back(uint32_t s, const void *info, ucontext_t *context);
static void deliver_overdue(ucontext_t *context);

void castor_signal_entry(int s, void *info, void *context) {
    uint64_t ip = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    int window = ip >= (uint64_t)castor_window_begin && ip <= (uint64_t)castor_window_end;
    castor_thread *me = castor_me();
    castor_frame *frame = window ? me->frame : 0;
    switch (castor_signal_arrived(s, info, (uint64_t)((siginfo_t *)info)->si_addr, window, ip)) {
    case CASTOR_SIGNAL_DROPPED: return;
    case CASTOR_SIGNAL_DEFERRED: hold_back((uint32_t)s, info, context); return;
    case CASTOR_SIGNAL_OVERDUE: deliver_overdue(context); return;
    // The kernel ends a process by a fault whose signal is blocked, whatever its disposition; and that is this thread's
    // alone: were it set to the default, another thread that faults now would die first.
    case CASTOR_SIGNAL_FATAL:
        *(uint64_t *)&((ucontext_t *)context)->uc_sigmask |= bit((uint32_t)s);
        if (s == SIGTRAP) ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP]--; // behind an int3
        return;
    }
    castor_action a = *castor_action_at((uint64_t)s);
    if (a.handler > 1 && a.flags & SA_RESETHAND) reset((uint32_t)s);
    if (a.handler > 1) ((void (*)(int, void *, void *))a.handler)(s, info, context);
    castor_signal_returned(frame);
    if (queue.held) count_held();
}

// MARK: - Signals that wait for the next event boundary

/// In order of arrival; standard signals once each, real-time ones all. Another signal may arrive at any instruction, on
/// the same thread: a slot is taken with one instruction, and counted when it is filled. What a running handler blocks
/// is held until it returns. What finds no room stays with the kernel, blocked.
static void send_to_myself(uint32_t s, const void *info) {
    int64_t tid = castor_gate_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
    int64_t pid = castor_gate_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
    castor_gate_syscall(SYS_rt_tgsigqueueinfo, (uint64_t)pid, (uint64_t)tid, s, (uint64_t)info, 0, 0);
}
static void set_mask(int how, uint64_t mask) { castor_gate_syscall(SYS_rt_sigprocmask, (uint64_t)how, (uint64_t)&mask, 0, 8, 0, 0); }
static uint64_t mask_now(void) {
    uint64_t mask = 0;
    castor_gate_syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, (uint64_t)&mask, 8, 0, 0);
    return mask;
}

static void hold_back(uint32_t s, const void *info, ucontext_t *context) {
    if (!queue.infos) {
        uint64_t tid = (uint64_t)castor_gate_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
        uint64_t at = 0x6ffe00000000ul + (tid & 0xffff) * 0x10000ul; /* away from the program's own mappings */
        int64_t r = castor_gate_syscall(SYS_mmap, at, ROOM * 128, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0);
        if (r < 0) return;
        // A signal that came meanwhile has made one already, and put itself there.
        void *none = 0;
        if (!__atomic_compare_exchange_n((void **)&queue.infos, &none, (void *)r, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            castor_gate_syscall(SYS_munmap, (uint64_t)r, ROOM * 128, 0, 0, 0, 0);
    }
    if (s < 32 && queue.standard & bit(s)) return;
    if (queue.filled - queue.taken >= ROOM - 32) {
        set_mask(SIG_BLOCK, bit(s));
        ((uint64_t *)&context->uc_sigmask)[0] |= bit(s);
        queue.blocked |= bit(s);
        send_to_myself(s, info);
        return;
    }
    if (s < 32) __asm__ volatile("orq %1, %0" : "+m"(queue.standard) : "r"(bit(s)));
    uint32_t slot = 1;
    __asm__ volatile("xaddl %0, %1" : "+r"(slot), "+m"(queue.filled));
    castor_copy(queue.infos[slot % ROOM], info, 128);
    __asm__ volatile("incq %0" : "+m"(castor_self.pending_signals));
    castor_ring *ring = castor_self.ring;
    if (ring && !ring->deferred) {
        castor_store(&ring->deferred, castor_rdtsc());
        castor_call_agent(ring); /* it looks whether the thread comes to an event */
    }
}

/// The thread computes on and on, perhaps until a handler tells it to stop: the agent has sent a reminder.
static void deliver_overdue(ucontext_t *context) {
    set_mask(SIG_SETMASK, ((uint64_t *)&context->uc_sigmask)[0]);
    castor_self.overdue = 1;
    castor_deliver();
    castor_self.overdue = 0;
}

void castor_forget_pending(void) {
    castor_self.pending_signals = queue.standard = queue.blocked = queue.held = 0;
    queue.taken = queue.filled;
}

/// Takes the first signal out that is blocked or is not; 0: there is none.
static uint32_t take(uint64_t *info, uint64_t mask, int blocked) {
    uint32_t end = queue.filled;
    for (uint32_t i = queue.taken; i != end; i++) {
        castor_copy(info, queue.infos[i % ROOM], 128);
        uint32_t s = (uint32_t)info[0];
        if ((!(mask & bit(s))) == blocked) continue;
        for (; i != queue.taken; i--) castor_copy(queue.infos[i % ROOM], queue.infos[(i - 1) % ROOM], 128);
        queue.taken++;
        if (s < 32) __asm__ volatile("andq %1, %0" : "+m"(queue.standard) : "r"(~bit(s)));
        __asm__ volatile("decq %0" : "+m"(castor_self.pending_signals));
        return s;
    }
    return 0;
}
static int take_would(uint64_t mask) {
    for (uint32_t i = queue.taken; i != queue.filled; i++)
        if (!(mask & bit((uint32_t)queue.infos[i % ROOM][0]))) return 1;
    return 0;
}
static void count_held(void) {
    __asm__ volatile("addq %1, %0" : "+m"(castor_self.pending_signals) : "r"(queue.held));
    queue.held = 0;
}

void castor_mask_changed(void) {
    uint64_t info[16], mask;
    uint32_t s;
    if (queue.taken == queue.filled) return;
    count_held();
    mask = mask_now();
    while ((s = take(info, mask, 1))) send_to_myself(s, info);
}

/// The siginfo that the handler sees is put in the place of this one on arrival. The mask is lifted: on replay the
/// signal may have come in a call that lifted it. A signal from outside that waits already takes this one's place, so
/// it is sent until it arrives.
void castor_raise(uint32_t s, const void *info) {
    castor_thread *me = castor_me();
    uint64_t queued[16] = {s, 0xffffffffu /* SI_QUEUE */, 0, CASTOR_RAISED}, mask = mask_now();
    if (mask & bit(s)) set_mask(SIG_UNBLOCK, bit(s));
    me->info = info;
    me->delivering = (uint8_t)s;
    for (int i = 0; me->delivering == s && i < 1000; i++)
        castor_gate_syscall(SYS_rt_tgsigqueueinfo, me->pid, me->tid, s, (uint64_t)queued, 0, 0);
    me->delivering = 0;
    me->info = 0;
    if (mask & bit(s)) set_mask(SIG_SETMASK, mask);
}

void castor_deliver_pending(void) {
    uint64_t info[16];
    castor_frame *frame = castor_self.frame;
    uint32_t s;
    while ((s = take(info, mask_now(), 0))) {
        if (castor_action_at(s)->handler > 1) {
            castor_signal_due();
            castor_raise(s, info);
        } else if (!castor_action_at(s)->handler) {
            send_to_myself(s, info); /* as if it came only now */
        }
    }
    if (castor_self.ring) castor_self.ring->deferred = 0;
    uint64_t left = castor_self.pending_signals; /* what has come since is blocked too, or is asked for again */
    __asm__ volatile("subq %1, %0" : "+m"(castor_self.pending_signals) : "r"(left));
    queue.held += left;
    if (queue.taken != queue.filled && take_would(mask_now())) count_held();
    if (queue.blocked && queue.taken == queue.filled) {
        uint64_t full = queue.blocked;
        queue.blocked = 0;
        set_mask(SIG_UNBLOCK, full);
    }
    castor_self.frame = frame;
}

void castor_deliver(void) {
    uint64_t info[16];
    uint32_t s;
    if (castor_mode_now() != CASTOR_MODE_REPLAY) castor_deliver_pending();
    else if ((s = castor_take_recorded(info))) castor_raise(s, info);
}

void castor_settle(void) {
    while (castor_next_is_signal()) castor_deliver();
}

/// Signals that come first are delivered here, from a frame that can be unwound. Operations that are counted come before
/// whatever is next in the log.
int32_t castor_still_replays(void) {
    if (castor_self.owned.left || castor_self.loads.repeats) return 1;
    castor_settle();
    return !castor_goes_live();
}

__attribute__((noinline)) void castor_fault_reached(void) { __asm__ volatile("" ::: "memory"); }

/// gdb finds it by name.
volatile uint32_t castor_debugger_is_here __attribute__((used, visibility("hidden")));
__attribute__((noinline)) void castor_await_debugger(void) {
    struct { int64_t seconds, nanoseconds; } pause = {0, 20000000};
    while (!castor_debugger_is_here) castor_gate_syscall(SYS_nanosleep, (uint64_t)&pause, 0, 0, 0, 0, 0);
}
