// Signals to the process go to the threads that do not block them; masks are inherited.
#include "../small.h"

enum { THREADS = 4 };
static __thread volatile int hits;
static __thread volatile intptr_t name;
static int counts[THREADS];
static pthread_barrier_t barrier;
static int stop; // lock
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    hits = hits + 1;
}

static void *body(void *argument) {
    name = (intptr_t)argument;
    if (name == 1) block(SIGUSR1);
    if (name != 1) unblock(SIGUSR1);
    pthread_barrier_wait(&barrier);
    for (int done = 0; !done;) {
        pthread_mutex_lock(&lock);
        done = stop;
        pthread_mutex_unlock(&lock);
        rest(50);
    }
    counts[name] = hits;
    return NULL;
}

int main(void) {
    handle(SIGUSR1, on_signal, SA_RESTART);
    block(SIGUSR1);
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, body, (void *)i) == 0);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 50; i++) {
        kill(getpid(), SIGUSR1);
        rest(100);
    }
    pthread_mutex_lock(&lock);
    stop = 1;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < THREADS; i++) printf("%d: %d\n", i, counts[i]);
    CHECK(counts[1] == 0);
}
