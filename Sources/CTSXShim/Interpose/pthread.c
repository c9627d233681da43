/// pthread synchronisation. Unlocking and signalling are no events: the order in which locks are *taken*, and in
/// which waiters come back, says all. On replay a thread waits for its turn and then makes the real call, so locks
/// hold what they held; condition variables are never waited on, for the recorded order says who comes back when.
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>
#include "wrappers.h"

#define LOCKED(r) ((r) == 0 || (r) == EOWNERDEAD)
#define TOOK(r) ((r) == 0)

// MARK: - Mutexes

REAL(int, pthread_mutex_lock, (pthread_mutex_t *m), (m), "")
REAL(int, pthread_mutex_unlock, (pthread_mutex_t *m), (m), "")
REAL(int, pthread_mutex_trylock, (pthread_mutex_t *m), (m), "")
REAL(int, pthread_mutex_timedlock, (pthread_mutex_t *m, const struct timespec *t), (m, t), "")
REAL(int, pthread_mutex_clocklock, (pthread_mutex_t *m, clockid_t c, const struct timespec *t), (m, c, t), "")

EXPORT int pthread_mutex_lock(pthread_mutex_t *m) {
    ACQUIRE(CASTOR_SYM_pthread_mutex_lock, m, real_pthread_mutex_lock(m), real_pthread_mutex_lock(m), LOCKED);
}
EXPORT int pthread_mutex_trylock(pthread_mutex_t *m) {
    ACQUIRE(CASTOR_SYM_pthread_mutex_trylock, m, real_pthread_mutex_trylock(m), real_pthread_mutex_lock(m), LOCKED);
}
EXPORT int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *t) {
    ACQUIRE(CASTOR_SYM_pthread_mutex_timedlock, m, real_pthread_mutex_timedlock(m, t), real_pthread_mutex_lock(m), LOCKED);
}
EXPORT int pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t c, const struct timespec *t) {
    ACQUIRE(CASTOR_SYM_pthread_mutex_clocklock, m, real_pthread_mutex_clocklock(m, c, t), real_pthread_mutex_lock(m), LOCKED);
}

// MARK: - Condition variables

REAL(int, pthread_cond_wait, (pthread_cond_t *c, pthread_mutex_t *m), (c, m), "GLIBC_2.3.2")
REAL(int, pthread_cond_timedwait, (pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t), (c, m, t), "GLIBC_2.3.2")
REAL(int, pthread_cond_clockwait, (pthread_cond_t *c, pthread_mutex_t *m, clockid_t k, const struct timespec *t), (c, m, k, t), "")

#define CANCELLED 0x10000
/// Always returns with the mutex held, so every return is an acquisition.
#define ALWAYS(r) 1

struct waiting {
    uint16_t id;
    pthread_mutex_t *mutex;
    int returned;
};
/// Runs when the wait returns and when the thread is cancelled in it: the mutex has been taken again either way.
static void wait_ended(struct waiting *w) {
    if (!w->returned) castor_symbol_record(w->id, (uint64_t)w->mutex, CANCELLED, 0, 1);
}
static int take_again(struct waiting *w) {
    castor_turn turn;
    castor_symbol_acquire(&turn, w->id, (uint64_t)w->mutex);
    real_pthread_mutex_lock(w->mutex);
    castor_symbol_acquired(&turn);
    return (int)turn.result;
}
static void wait_again_ended(struct waiting *w) {
    if (!w->returned) take_again(w);
}
/// Standby that goes live: who was to wake this thread may have done so when nobody waited. It wakes by itself, as it may.
static int wake_live(struct waiting *w) {
    real_pthread_mutex_lock(w->mutex);
    w->returned = 1;
    castor_symbol_record(w->id, (uint64_t)w->mutex, 0, 0, 1);
    return 0;
}
/// A standby may know the next event only after others have had the mutex: it is given up before anything is awaited.
static int wait_again(uint16_t id, pthread_mutex_t *m) {
    __attribute__((cleanup(wait_again_ended))) struct waiting w = {id, m, 0};
    real_pthread_mutex_unlock(m);
    if (!castor_replays()) return wake_live(&w);
    /* A wait that was cancelled is followed by what the unwinder did; the request itself was the event before. */
    if (!castor_next_is(id) || castor_next_result() == CANCELLED) pthread_testcancel();
    w.returned = 1;
    return take_again(&w);
}
#define WAIT(id, mutex_, call)                                                          \
    do {                                                                                \
        if (!castor_is_ordered()) return call;                                          \
        if (castor_mode_now() == CASTOR_MODE_REPLAY) return wait_again(id, mutex_);     \
        castor_boundary_at((void *)CASTOR_MAY_REST);                                    \
        __attribute__((cleanup(wait_ended))) struct waiting w = {id, mutex_, 0};        \
        int result = call;                                                              \
        w.returned = 1;                                                                 \
        castor_symbol_record(id, (uint64_t)mutex_, result, 0, 1);                       \
        return result;                                                                  \
    } while (0)

EXPORT int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m) {
    WAIT(CASTOR_SYM_pthread_cond_wait, m, real_pthread_cond_wait(c, m));
}
EXPORT int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t) {
    WAIT(CASTOR_SYM_pthread_cond_timedwait, m, real_pthread_cond_timedwait(c, m, t));
}
EXPORT int pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t k, const struct timespec *t) {
    WAIT(CASTOR_SYM_pthread_cond_clockwait, m, real_pthread_cond_clockwait(c, m, k, t));
}

/// By names that a sanitizer has not taken.
#define OWN(name) __typeof__(name) castor_own_##name __attribute__((alias(#name), visibility("hidden")));
OWN(pthread_cond_wait)
OWN(pthread_cond_timedwait)

// MARK: - Reader-writer locks

#define RW(name, parameters, arguments, again)                                                        \
    REAL(int, name, parameters, arguments, "")                                                        \
    EXPORT int name parameters { ACQUIRE(CASTOR_SYM_##name, l, real_##name arguments, again, TOOK); }

RW(pthread_rwlock_rdlock, (pthread_rwlock_t *l), (l), real_pthread_rwlock_rdlock(l))
RW(pthread_rwlock_wrlock, (pthread_rwlock_t *l), (l), real_pthread_rwlock_wrlock(l))
RW(pthread_rwlock_tryrdlock, (pthread_rwlock_t *l), (l), real_pthread_rwlock_rdlock(l))
RW(pthread_rwlock_trywrlock, (pthread_rwlock_t *l), (l), real_pthread_rwlock_wrlock(l))
RW(pthread_rwlock_timedrdlock, (pthread_rwlock_t *l, const struct timespec *t), (l, t), real_pthread_rwlock_rdlock(l))
RW(pthread_rwlock_timedwrlock, (pthread_rwlock_t *l, const struct timespec *t), (l, t), real_pthread_rwlock_wrlock(l))
RW(pthread_rwlock_clockrdlock, (pthread_rwlock_t *l, clockid_t c, const struct timespec *t), (l, c, t), real_pthread_rwlock_rdlock(l))
RW(pthread_rwlock_clockwrlock, (pthread_rwlock_t *l, clockid_t c, const struct timespec *t), (l, c, t), real_pthread_rwlock_wrlock(l))

// MARK: - Spin locks, barriers

REAL(int, pthread_spin_lock, (pthread_spinlock_t *l), (l), "")
REAL(int, pthread_spin_trylock, (pthread_spinlock_t *l), (l), "")
REAL(int, pthread_barrier_wait, (pthread_barrier_t *b), (b), "")

/// Waits as a blocked thread, not as a running one: replay must know the difference.
static void spin_surely(pthread_spinlock_t *l) {
    if (real_pthread_spin_trylock(l) == 0) return;
    castor_blocked(1);
    while (real_pthread_spin_trylock(l) != 0) castor_gate_syscall(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    castor_blocked(0);
}
EXPORT int pthread_spin_lock(pthread_spinlock_t *l) {
    ACQUIRE(CASTOR_SYM_pthread_spin_lock, l, real_pthread_spin_lock(l), spin_surely(l), TOOK);
}
EXPORT int pthread_spin_trylock(pthread_spinlock_t *l) {
    ACQUIRE(CASTOR_SYM_pthread_spin_trylock, l, real_pthread_spin_trylock(l), spin_surely(l), TOOK);
}
/// Two events: whoever arrives takes a place, and whoever leaves one after all that arrived. Replay never meets at the
/// real barrier, so handlers that ran in between run there again.
EXPORT int pthread_barrier_wait(pthread_barrier_t *b) {
    if (!castor_is_ordered()) return real_pthread_barrier_wait(b);
    if (castor_replays()) {
        castor_turn turn;
        castor_symbol_replay(&turn, CASTOR_SYM_pthread_barrier_arrive, (uint64_t)b);
        castor_symbol_replayed(&turn);
        if (castor_replays()) {
            castor_symbol_replay(&turn, CASTOR_SYM_pthread_barrier_wait, (uint64_t)b);
            castor_symbol_replayed(&turn);
            return (int)turn.result;
        }
    } else {
        castor_boundary_at((void *)CASTOR_MAY_REST);
        castor_symbol_record(CASTOR_SYM_pthread_barrier_arrive, (uint64_t)b, 0, 0, 1);
    }
    int result = real_pthread_barrier_wait(b);
    castor_symbol_record(CASTOR_SYM_pthread_barrier_wait, (uint64_t)b, result, 0, 1);
    return result;
}

// MARK: - Semaphores

REAL(int, sem_wait, (sem_t *s), (s), "")
REAL(int, sem_trywait, (sem_t *s), (s), "")
REAL(int, sem_timedwait, (sem_t *s, const struct timespec *t), (s, t), "")
REAL(int, sem_clockwait, (sem_t *s, clockid_t c, const struct timespec *t), (s, c, t), "")
REAL(int, sem_post, (sem_t *s), (s), "")
REAL(int, sem_getvalue, (sem_t *s, int *v), (s, v), "")

/// errno rides along in the event's value.
static void take_surely(sem_t *s) {
    while (real_sem_wait(s) != 0 && errno == EINTR) {}
}
/// One thread alone waits for nothing but a signal or its deadline: that is an event too.
static int would_wait(sem_t *s) {
    int value = 0;
    return castor_self.ring && castor_mode_now() != CASTOR_MODE_OFF && real_sem_getvalue(s, &value) == 0 && value == 0;
}
#define SEMAPHORE(id, call)                                                               \
    do {                                                                                  \
        if (!castor_is_ordered() && !would_wait(s)) return call;                          \
        if (castor_replays()) {                                    \
            castor_turn turn;                                                             \
            if (id != CASTOR_SYM_sem_trywait) CANCELLATION_POINT(id);                     \
            castor_symbol_replay(&turn, id, (uint64_t)s);                                 \
            if (turn.result == 0) take_surely(s);                                         \
            castor_symbol_replayed(&turn);                                                \
            if (turn.result != 0) errno = (int)turn.value;                                \
            return (int)turn.result;                                                      \
        }                                                                                 \
        castor_boundary_at((char *)s + CASTOR_MAY_REST);                                  \
        int result = call;                                                                \
        castor_symbol_record(id, (uint64_t)s, result, result ? (uint64_t)errno : 0, result == 0); \
        return result;                                                                    \
    } while (0)

EXPORT int sem_wait(sem_t *s) { SEMAPHORE(CASTOR_SYM_sem_wait, real_sem_wait(s)); }
EXPORT int sem_trywait(sem_t *s) { SEMAPHORE(CASTOR_SYM_sem_trywait, real_sem_trywait(s)); }
EXPORT int sem_timedwait(sem_t *s, const struct timespec *t) { SEMAPHORE(CASTOR_SYM_sem_timedwait, real_sem_timedwait(s, t)); }
EXPORT int sem_clockwait(sem_t *s, clockid_t c, const struct timespec *t) {
    SEMAPHORE(CASTOR_SYM_sem_clockwait, real_sem_clockwait(s, c, t));
}
/// Its version is taken before it posts, so that whoever it wakes comes after it.
EXPORT int sem_post(sem_t *s) {
    if (!castor_is_ordered()) return real_sem_post(s);
    if (castor_replays()) {
        castor_turn turn;
        castor_symbol_replay(&turn, CASTOR_SYM_sem_post, (uint64_t)s);
        int result = real_sem_post(s);
        castor_symbol_replayed(&turn);
        return result;
    }
    castor_boundary();
    castor_symbol_record(CASTOR_SYM_sem_post, (uint64_t)s, 0, 0, 1);
    return real_sem_post(s);
}
EXPORT int sem_getvalue(sem_t *s, int *v) {
    if (!castor_is_ordered()) return real_sem_getvalue(s, v);
    if (castor_replays()) {
        castor_turn turn;
        castor_symbol_replay(&turn, CASTOR_SYM_sem_getvalue, (uint64_t)s);
        castor_symbol_replayed(&turn);
        *v = (int)turn.value;
        return (int)turn.result;
    }
    castor_boundary();
    int result = real_sem_getvalue(s, v);
    castor_symbol_record(CASTOR_SYM_sem_getvalue, (uint64_t)s, result, result ? 0 : (uint64_t)(uint32_t)*v, 1);
    return result;
}

// MARK: - Once

REAL(int, pthread_once, (pthread_once_t *o, void (*f)(void)), (o, f), "")
static __thread struct { pthread_once_t *control; void (*routine)(void); castor_turn turn; } once_now __attribute__((tls_model("initial-exec")));

/// Runs in the one thread that the real pthread_once chose; the event says which it was. On replay only that one asks
/// the real pthread_once while it is its turn.
static void once_run(void) {
    pthread_once_t *control = once_now.control;
    void (*routine)(void) = once_now.routine;
    if (castor_mode_now() == CASTOR_MODE_REPLAY) { /* it is this thread's turn: nothing has gone live */
        castor_symbol_replayed(&once_now.turn);
    } else {
        castor_symbol_record(CASTOR_SYM_pthread_once_run, (uint64_t)control, 0, 0, 1);
    }
    routine();
}
EXPORT int pthread_once(pthread_once_t *o, void (*f)(void)) {
    if (!castor_is_ordered()) return real_pthread_once(o, f);
    int replaying = castor_replays();
    castor_turn turn;
    if (!replaying) castor_boundary();
    if (replaying && !castor_next_is(CASTOR_SYM_pthread_once_run)) {
        castor_symbol_replay(&turn, CASTOR_SYM_pthread_once, (uint64_t)o);
        real_pthread_once(o, f);
        castor_symbol_replayed(&turn);
        return (int)turn.result;
    }
    if (replaying) castor_symbol_replay(&once_now.turn, CASTOR_SYM_pthread_once_run, (uint64_t)o);
    once_now.control = o;
    once_now.routine = f;
    int result = real_pthread_once(o, once_run);
    if (castor_replays()) {
        castor_symbol_replay(&turn, CASTOR_SYM_pthread_once, (uint64_t)o);
        castor_symbol_replayed(&turn);
    } else {
        castor_symbol_record(CASTOR_SYM_pthread_once, (uint64_t)o, result, 0, 1);
    }
    return result;
}
