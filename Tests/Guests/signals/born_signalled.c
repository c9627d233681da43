// Threads that get a signal as soon as they exist.
#include "../small.h"

static __thread volatile int hits;
static uint64_t order = GUEST_HASH_START;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    getppid();
    hits = hits + 1;
}

static void *body(void *argument) {
    int calls = 0;
    while (hits == 0) {
        getppid();
        calls++;
    }
    pthread_mutex_lock(&lock);
    order = guest_hash(order, (uint64_t)calls * 1000 + (uint64_t)(intptr_t)argument);
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(void) {
    handle(SIGUSR1, on_signal, 0);
    for (intptr_t i = 0; i < 100; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, body, (void *)i) == 0);
        CHECK(pthread_kill(thread, SIGUSR1) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    printf("order %016llx\n", (unsigned long long)order);
}
