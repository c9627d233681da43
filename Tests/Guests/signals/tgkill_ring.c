// Threads that signal each other with tgkill: after which of its calls each got its signals is up to the schedule.
#include "../small.h"

enum { THREADS = 4, CALLS = 500 };
static __thread volatile sig_atomic_t hits;
static pid_t ids[THREADS];
static pthread_barrier_t barrier;
static uint64_t order[THREADS];

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    hits = hits + 1;
}

static void *body(void *argument) {
    intptr_t me = (intptr_t)argument;
    ids[me] = thread_id();
    pthread_barrier_wait(&barrier);
    order[me] = GUEST_HASH_START;
    int seen = 0;
    for (int i = 0; i < CALLS; i++) {
        if (i % 5 == 0) CHECK(tgkill(getpid(), ids[(me + 1) % THREADS], SIGUSR1) == 0);
        spin(50);
        getppid();
        if (hits != seen) order[me] = guest_hash(order[me], (uint64_t)(i << 8 | (hits - seen)));
        seen = hits;
    }
    pthread_barrier_wait(&barrier);
    order[me] = guest_hash(order[me], (uint64_t)hits);
    return NULL;
}

int main(void) {
    handle(SIGUSR1, on_signal, SA_RESTART);
    pthread_barrier_init(&barrier, NULL, THREADS);
    guest_run_threads(THREADS, body);
    for (int i = 0; i < THREADS; i++) printf("%d: %016llx\n", i, (unsigned long long)order[i]);
}
