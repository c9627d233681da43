// An alternate stack per thread; signals from the neighbours arrive on it.
#include "../small.h"

enum { THREADS = 4 };
static __thread char *stack;
static __thread volatile sig_atomic_t hits, misses;
static pthread_t threads[THREADS];
static pthread_barrier_t barrier;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    char here;
    hits = hits + 1;
    if (&here < stack || &here >= stack + 32768) misses = misses + 1;
}

static void *body(void *argument) {
    intptr_t me = (intptr_t)argument;
    stack = malloc(32768);
    stack_t wanted = {.ss_sp = stack, .ss_size = 32768};
    CHECK(sigaltstack(&wanted, NULL) == 0);
    threads[me] = pthread_self();
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 50; i++) {
        pthread_kill(threads[(me + 1) % THREADS], SIGUSR1);
        spin(500);
    }
    pthread_barrier_wait(&barrier);
    CHECK(misses == 0);
    printf("%d: %d hits, stack %p\n", (int)me, (int)hits, (void *)stack);
    wanted.ss_flags = SS_DISABLE;
    sigaltstack(&wanted, NULL);
    free(stack);
    return NULL;
}

int main(void) {
    handle(SIGUSR1, on_signal, SA_ONSTACK);
    pthread_barrier_init(&barrier, NULL, THREADS);
    guest_run_threads(THREADS, body);
}
