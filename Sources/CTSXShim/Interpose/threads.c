/// Threads: creation on stacks of the runtime's choosing, join, detach, cancellation, keys.
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <time.h>
#include "ordered.h"
#include "sanitizer.h"

REAL(int, pthread_create, (pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *p), (t, a, f, p), "")
REAL(int, pthread_join, (pthread_t t, void **r), (t, r), "")
REAL(int, pthread_tryjoin_np, (pthread_t t, void **r), (t, r), "")
REAL(int, pthread_timedjoin_np, (pthread_t t, void **r, const struct timespec *s), (t, r, s), "")
REAL(int, pthread_clockjoin_np, (pthread_t t, void **r, clockid_t c, const struct timespec *s), (t, r, c, s), "")
REAL(int, pthread_detach, (pthread_t t), (t), "")
REAL(int, pthread_cancel, (pthread_t t), (t), "")
REAL(int, pthread_mutex_lock, (pthread_mutex_t *m), (m), "")
REAL(int, pthread_mutex_unlock, (pthread_mutex_t *m), (m), "")
REAL(int, pthread_key_create, (pthread_key_t *k, void (*d)(void *)), (k, d), "")
REAL(int, pthread_key_delete, (pthread_key_t k), (k), "")

static int attached(void) { return castor_self.ring && castor_mode_now() != CASTOR_MODE_OFF; }

/// Orders the ends of threads with the calls that let go of them: whether libc frees a thread's memory in the thread
/// itself or in the one that detaches it depends on which came first.
static char ends;
static pthread_mutex_t ends_lock = PTHREAD_MUTEX_INITIALIZER;
static void lock_ends(uint16_t id) {
    castor_turn turn;
    int replaying = castor_replays();
    if (replaying) castor_symbol_replay(&turn, id, (uint64_t)&ends);
    else castor_boundary();
    real_pthread_mutex_lock(&ends_lock);
    if (replaying) castor_symbol_replayed(&turn);
    else castor_symbol_record(id, (uint64_t)&ends, 0, 0, 1);
}

/// Replay: threads that libc still counts, this one included. It had counted out those whose recording ends before their own end.
static uint32_t counted(void) {
    return __atomic_load_n(&castor_proc.live, __ATOMIC_ACQUIRE) - __atomic_load_n(&castor_proc.parked, __ATOMIC_ACQUIRE);
}

/// Replay: this thread goes on with exit(), so it was the last one that libc counted.
static void await_others(void) {
    static const struct timespec moment = {0, 100000};
    castor_blocked(1);
    for (int i = 0; i < 20000 && counted() > 1; i++)
        castor_gate_syscall(SYS_nanosleep, (uint64_t)&moment, 0, 0, 0, 0, 0);
    castor_blocked(0);
}
/// The start routine is over, by return, pthread_exit or cancellation. A thread that is to be detached detaches
/// itself here; until then it is joinable for libc, whatever the program asked for.
static void thread_ends(int *unused) {
    (void)unused;
    castor_stack *stack = castor_stack_of((uint64_t)pthread_self());
    if (!attached() || !stack) return;
    lock_ends(CASTOR_SYM_pthread_end);
    stack->ending = 1;
    if (stack->detached) real_pthread_detach(pthread_self());
    real_pthread_mutex_unlock(&ends_lock);
    if (castor_replays() && castor_next_is(CASTOR_SYM_stdio_list)) await_others();
}

static void *thread_main(void *pointer) {
    castor_start_info info = *(castor_start_info *)pointer;
    castor_thread_attach(&info);
    castor_own_free(pointer);
    __attribute__((cleanup(thread_ends))) int scope = 0;
    return info.routine(info.argument);
}

/// libc loads the unwinder when a thread first ends early, in whatever thread that is. Asking for a backtrace loads it
/// now, while there is one thread.
static void load_unwinder(void) {
    void *frame[1];
    backtrace(frame, 1);
}

/// libc lays out a thread's storage by the libraries that are loaded, behind a lock that nobody sees: whoever makes a thread
/// waits for who loads one. Not for ever: the constructor of a library may wait for a thread that makes another.
static int hold_loader(void) {
    struct timespec until;
    castor_gate_syscall(SYS_clock_gettime, CLOCK_REALTIME, (uint64_t)&until, 0, 0, 0, 0);
    until.tv_nsec += 200000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return pthread_mutex_timedlock(&castor_groups[castor_group_loader], &until) == 0;
}

EXPORT int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *p) {
    if (!attached()) return real_pthread_create(t, a, f, p);
    if (castor_is_sanitizers((uint64_t)f) && !a && castor_seg->lenient.finds_races)
        return castor_sanitizers_thread(real_pthread_create, t, f, p);
    castor_boundary();
    if (!castor_proc.multithreaded) load_unwinder();
    pthread_attr_t mine;
    uint64_t size = 0, guard = 4096;
    int detached = PTHREAD_CREATE_JOINABLE, own = 0;
    if (a) {
        void *base = 0;
        size_t n = 0;
        __builtin_memcpy(&mine, a, sizeof mine);
        pthread_attr_getdetachstate(a, &detached);
        /* a stack address is set when the attributes carry one: its size is then known with it */
        if (pthread_attr_getstack(a, &base, &n) == 0 && base && (uint64_t)base + n) own = (uint64_t)base + n > n;
        if (pthread_attr_getguardsize(a, &n) == 0) guard = (n + 4095) & ~4095ul;
        if (pthread_attr_getstacksize(a, &n) == 0) size = n;
    } else {
        pthread_attr_init(&mine);
    }
    castor_start_info *info = castor_own_allocate(sizeof *info);
    if (!info) return EAGAIN;
    *info = (castor_start_info){.routine = f, .argument = p, .detached = detached == PTHREAD_CREATE_DETACHED};
    castor_thread_prepare(info, own ? UINT64_MAX : size, guard);
    if (info->stack) {
        pthread_attr_setstack(&mine, (void *)info->stack, info->size);
        pthread_attr_setdetachstate(&mine, PTHREAD_CREATE_JOINABLE);
    }
    castor_start_info copy = *info; /* the thread frees its own */
    int holds = hold_loader();
    int result = real_pthread_create(t, a || info->stack ? &mine : 0, thread_main, info);
    if (holds) real_pthread_mutex_unlock(&castor_groups[castor_group_loader]);
    result = castor_thread_created(&copy, result);
    if (result) castor_own_free(info);
    return result;
}

/// A stack that libc was given has no guard as far as libc knows; ours have one below. Rust's runtime asks for it.
REAL(int, pthread_getattr_np, (pthread_t t, pthread_attr_t *a), (t, a), "")
EXPORT int pthread_getattr_np(pthread_t t, pthread_attr_t *a) {
    int result = real_pthread_getattr_np(t, a);
    castor_stack *stack = attached() ? castor_stack_of((uint64_t)t) : 0;
    size_t size = 0;
    if (result == 0 && stack && pthread_attr_getstacksize(a, &size) == 0 && stack->size > size)
        pthread_attr_setguardsize(a, stack->size - size);
    return result;
}

// MARK: - Ends

/// What libc does when the thread is gone (it may unmap a stack) comes before the event.
EXPORT int pthread_join(pthread_t t, void **r) {
    if (!attached() || !castor_is_ordered()) return real_pthread_join(t, r);
    castor_boundary_at((void *)CASTOR_MAY_REST);
    int result;
    if (castor_replays()) {
        castor_turn turn;
        CANCELLATION_POINT(CASTOR_SYM_pthread_join);
        result = real_pthread_join(t, r);
        castor_symbol_replay(&turn, CASTOR_SYM_pthread_join, (uint64_t)t);
        castor_symbol_replayed(&turn);
    } else {
        result = real_pthread_join(t, r);
        castor_symbol_record(CASTOR_SYM_pthread_join, (uint64_t)t, result, 0, 0);
    }
    if (result == 0) castor_thread_released((uint64_t)t);
    return result;
}
/// Joins that may give up: the recorded one says whether they did.
#define JOIN(id, call)                                                                  \
    do {                                                                                \
        if (!attached() || !castor_is_ordered()) return call;                           \
        int result;                                                                     \
        if (castor_replays()) {                                  \
            castor_turn turn;                                                           \
            CANCELLATION_POINT(id);                                                     \
            if (!castor_next_is(id) || castor_next_result() == 0) real_pthread_join(t, r); \
            castor_symbol_replay(&turn, id, (uint64_t)t);                               \
            result = (int)turn.result;                                                  \
            castor_symbol_replayed(&turn);                                              \
        } else {                                                                        \
            castor_boundary_at((void *)CASTOR_MAY_REST);                                \
            result = call;                                                              \
            castor_symbol_record(id, (uint64_t)t, result, 0, 0);                        \
        }                                                                               \
        if (result == 0) castor_thread_released((uint64_t)t);                           \
        return result;                                                                  \
    } while (0)
EXPORT int pthread_tryjoin_np(pthread_t t, void **r) { JOIN(CASTOR_SYM_pthread_tryjoin_np, real_pthread_tryjoin_np(t, r)); }
EXPORT int pthread_timedjoin_np(pthread_t t, void **r, const struct timespec *s) {
    JOIN(CASTOR_SYM_pthread_timedjoin_np, real_pthread_timedjoin_np(t, r, s));
}
EXPORT int pthread_clockjoin_np(pthread_t t, void **r, clockid_t c, const struct timespec *s) {
    JOIN(CASTOR_SYM_pthread_clockjoin_np, real_pthread_clockjoin_np(t, r, c, s));
}
EXPORT int pthread_detach(pthread_t t) {
    castor_stack *stack = castor_stack_of((uint64_t)t);
    if (!attached() || !castor_is_ordered() || !stack) return real_pthread_detach(t);
    lock_ends(CASTOR_SYM_pthread_detach);
    int ending = stack->ending;
    stack->detached = 1;
    real_pthread_mutex_unlock(&ends_lock);
    if (ending) real_pthread_join(t, 0);
    castor_thread_released((uint64_t)t);
    return 0;
}
/// A cancellation request becomes a signal event in the stream of its target, which then cancels itself: where libc
/// notices a request otherwise depends on when it was made. Replay only follows that event.
void castor_cancel_self(int s, void *info, void *context) {
    (void)s, (void)info, (void)context;
    real_pthread_cancel(pthread_self());
}
/// Of a thread on a stack of the program's own: the clock of a thread has its id.
static uint64_t tid_of(pthread_t t) {
    clockid_t clock;
    return pthread_getcpuclockid(t, &clock) == 0 ? (uint64_t)(uint32_t)~(clock >> 3) : castor_proc.pid;
}
EXPORT int pthread_cancel(pthread_t t) {
    castor_stack *stack = castor_stack_of((uint64_t)t);
    if (!attached() || !castor_is_ordered() || t == pthread_self()) return real_pthread_cancel(t);
    if (castor_replays()) {
        castor_turn turn;
        castor_symbol_replay(&turn, CASTOR_SYM_pthread_cancel, (uint64_t)t);
        castor_symbol_replayed(&turn);
        return 0;
    }
    castor_boundary();
    castor_symbol_record(CASTOR_SYM_pthread_cancel, (uint64_t)t, 0, 0, 1);
    uint64_t tid = stack ? stack->tid : tid_of(t), info[16] = {CASTOR_SIGCANCEL, 0xfffffffful /* SI_QUEUE */};
    while (stack && !(tid = __atomic_load_n(&stack->tid, __ATOMIC_ACQUIRE))) castor_pause(); /* it is being born */
    castor_gate_syscall(SYS_rt_tgsigqueueinfo, castor_proc.pid, tid, CASTOR_SIGCANCEL, (uint64_t)info, 0, 0);
    return 0;
}

// MARK: - Fork

REAL(pid_t, fork, (void), (), "")
static char forks;
static pthread_mutex_t fork_lock = PTHREAD_MUTEX_INITIALIZER;

/// fork() takes a lock of libc's own before the system call that is the event.
EXPORT pid_t fork(void) {
    if (!attached() || !castor_is_ordered()) return real_fork();
    castor_turn turn;
    int replaying = castor_replays();
    if (replaying) castor_symbol_replay(&turn, CASTOR_SYM_fork, (uint64_t)&forks);
    else castor_boundary();
    real_pthread_mutex_lock(&fork_lock);
    if (replaying) castor_symbol_replayed(&turn);
    else castor_symbol_record(CASTOR_SYM_fork, (uint64_t)&forks, 0, 0, 1);
    pid_t child = real_fork();
    if (child) real_pthread_mutex_unlock(&fork_lock);
    else fork_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER; /* its owner was the parent's thread */
    return child;
}

// MARK: - Keys: one table for all threads, so its calls are ordered as one object

static char keys;
static pthread_mutex_t keys_lock = PTHREAD_MUTEX_INITIALIZER;

#define KEY(id, call)                                                                   \
    do {                                                                                \
        if (!castor_is_ordered()) return call;                                          \
        castor_turn turn;                                                               \
        int replaying = castor_replays();                        \
        if (replaying) castor_symbol_replay(&turn, id, (uint64_t)&keys);                \
        else castor_boundary();                                                         \
        real_pthread_mutex_lock(&keys_lock);                                            \
        int result = call;                                                              \
        if (!replaying) castor_symbol_record(id, (uint64_t)&keys, result, 0, 1);        \
        real_pthread_mutex_unlock(&keys_lock);                                          \
        if (replaying) castor_symbol_replayed(&turn);                                   \
        return result;                                                                  \
    } while (0)
EXPORT int pthread_key_create(pthread_key_t *k, void (*d)(void *)) { KEY(CASTOR_SYM_pthread_key_create, real_pthread_key_create(k, d)); }
EXPORT int pthread_key_delete(pthread_key_t k) { KEY(CASTOR_SYM_pthread_key_delete, real_pthread_key_delete(k)); }
