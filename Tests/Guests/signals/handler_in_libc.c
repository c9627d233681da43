// Signals that arrive inside calls of libc: locks, memory, output, time.
#include "../small.h"

static volatile int hits;
static pthread_t receiver;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    hits = hits + 1;
}
static void *send(void *argument) {
    for (int i = 0; i < 300; i++) {
        pthread_kill(receiver, SIGUSR1);
        spin(3000);
    }
    return argument;
}

int main(void) {
    pthread_t thread;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    uint64_t order = GUEST_HASH_START;
    receiver = pthread_self();
    handle(SIGUSR1, on_signal, SA_RESTART);
    CHECK(pthread_create(&thread, NULL, send, NULL) == 0);
    for (int i = 0; i < 1500; i++) {
        void *block = malloc((size_t)(i * 37 % 60000 + 1));
        order = guest_hash(order, (uint64_t)block + (unsigned)hits);
        pthread_mutex_lock(&lock);
        order = guest_hash(order, (unsigned)hits);
        pthread_mutex_unlock(&lock);
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        order = guest_hash(order, (uint64_t)now.tv_nsec + (unsigned)hits);
        if (i % 100 == 0) printf("%d: %d\n", i, (int)hits);
        free(block);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    printf("order %016llx\n", (unsigned long long)order);
}
