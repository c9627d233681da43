// sigsetjmp in every thread, left by handlers that the neighbour's signals run; and longjmp from below.
#include "../small.h"

#include <setjmp.h>

enum { THREADS = 4, ROUNDS = 20 };
static __thread sigjmp_buf back;
static __thread volatile sig_atomic_t armed;
static pthread_t threads[THREADS];
static pthread_barrier_t barrier;
static uint64_t order[THREADS];

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    if (!armed) return;
    armed = 0;
    siglongjmp(back, 2);
}
__attribute__((noinline)) static void below(int depth) {
    if (depth <= 0) longjmp(back, 1);
    below(depth - 1);
}

static void *body(void *argument) {
    intptr_t me = (intptr_t)argument;
    threads[me] = pthread_self();
    order[me] = GUEST_HASH_START;
    pthread_barrier_wait(&barrier);
    for (volatile int i = 0; i < ROUNDS; i++) {
        volatile long calls = 0;
        int came = sigsetjmp(back, 1);
        if (came == 0) {
            pthread_kill(threads[(me + 1) % THREADS], SIGUSR1);
            armed = 1;
            for (; calls < 100; calls++) getppid();
            armed = 0;
            below(5);
        }
        order[me] = guest_hash(order[me], (uint64_t)(calls * 4 + came));
    }
    pthread_barrier_wait(&barrier);
    return NULL;
}

int main(void) {
    handle(SIGUSR1, on_signal, 0);
    pthread_barrier_init(&barrier, NULL, THREADS);
    guest_run_threads(THREADS, body);
    for (int i = 0; i < THREADS; i++) printf("%d: %016llx\n", i, (unsigned long long)order[i]);
}
