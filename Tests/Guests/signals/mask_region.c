// Regions in which a signal is blocked, entered and left all the time: no handler runs inside one.
#include "../small.h"

static volatile sig_atomic_t hits, closed, wrong;
static pthread_t receiver;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    hits = hits + 1;
    if (closed) wrong = wrong + 1;
}
static void *send(void *argument) {
    for (int i = 0; i < 300; i++) {
        pthread_kill(receiver, SIGUSR1);
        spin(2000);
    }
    return argument;
}

int main(void) {
    pthread_t thread;
    uint64_t order = GUEST_HASH_START;
    receiver = pthread_self();
    handle(SIGUSR1, on_signal, 0);
    CHECK(pthread_create(&thread, NULL, send, NULL) == 0);
    for (int i = 0; i < 1000; i++) {
        spin(100);
        block(SIGUSR1);
        closed = 1;
        spin(100);
        getppid();
        closed = 0;
        unblock(SIGUSR1);
        order = guest_hash(order, (uint64_t)hits);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(wrong == 0);
    printf("hits %d order %016llx\n", (int)hits, (unsigned long long)order);
}
