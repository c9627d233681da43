// Signals that come at any moment, from a timer and from another thread, while the threads do atomics; the handler does
// atomics on the very same objects. If an operation held something that the handler waits for, this would not end.
#include "race.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

enum { SIGNALS_MIN = 5 };

static atomic_long count, done; // `done` by the threads themselves
static _Atomic uint64_t mixed;
static atomic_int ticks, calls, working;
static atomic_bool quiet; // nobody calls any more
static uint64_t handled[GUEST_THREADS_MAX]; // by the handler in each thread, read after the join
static pthread_t workers[GUEST_THREADS_MAX];
static atomic_int known; // of `workers`
static __thread int own;
static __thread volatile sig_atomic_t had;

static void mix(uint64_t word) {
    uint64_t old = atomic_load(&mixed);
    while (!atomic_compare_exchange_weak(&mixed, &old, guest_hash(old, word))) {}
}

static void on_signal(int signal) {
    atomic_fetch_add(signal == SIGALRM ? &ticks : &calls, 1);
    handled[own] = guest_hash(handled[own], (uint64_t)atomic_fetch_add(&count, 1));
    mix((uint64_t)signal);
    had++;
}

// The two threads that have no number never handle any, and the others once they have it.
static void let_signals(int how) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigaddset(&set, SIGUSR1);
    CHECK(pthread_sigmask(how, &set, NULL) == 0);
}

static uint64_t work(int self) {
    own = self;
    let_signals(SIG_UNBLOCK);
    workers[self] = pthread_self();
    atomic_fetch_add(&known, 1);
    uint64_t seen = GUEST_HASH_START;
    int turns = 0;
    // Whoever was spared so far goes on.
    for (; race_goes_on(turns) || had < SIGNALS_MIN; turns++) {
        seen = guest_hash(seen, (uint64_t)atomic_fetch_add(&count, 1));
        mix((uint64_t)turns);
    }
    atomic_fetch_add(&done, turns);
    atomic_fetch_sub(&working, 1);
    while (!atomic_load(&quiet)) sched_yield();
    return seen;
}

static void *caller(void *unused) {
    (void)unused;
    while (atomic_load(&known) < race_threads) sched_yield();
    for (int i = 0; atomic_load(&working) > 0; i++) {
        CHECK(pthread_kill(workers[i % race_threads], SIGUSR1) == 0);
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    atomic_store(&quiet, true);
    return NULL;
}

int main(int count_, char **arguments) {
    race_begin(count_, arguments, 20000);
    working = race_threads;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    let_signals(SIG_BLOCK);
    pthread_t other;
    CHECK(pthread_create(&other, NULL, caller, NULL) == 0);
    struct itimerval often = {{0, 200}, {0, 200}}, never = {0};
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    race_run("worked", work);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0 && pthread_join(other, NULL) == 0);
    CHECK(count == ticks + calls + done);
    printf("ticks %d calls %d mixed %016llx\n", ticks, calls, (unsigned long long)mixed);
    for (int i = 0; i < race_threads; i++) printf("handled %016llx\n", (unsigned long long)handled[i]);
    return 0;
}
