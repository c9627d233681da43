// Signals that arrive while a thread computes without making calls are handled at its next call.
#include "../small.h"

static volatile int hits;
static pthread_t receiver;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    hits = hits + 1;
}
static void *send(void *argument) {
    for (int i = 0; i < 40; i++) {
        pthread_kill(receiver, SIGUSR1);
        rest(200);
    }
    return argument;
}

int main(void) {
    pthread_t thread;
    receiver = pthread_self();
    handle(SIGUSR1, on_signal, 0);
    CHECK(pthread_create(&thread, NULL, send, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        uint64_t state = 88172645463325252u + (unsigned)hits;
        for (int j = 0; j < 200000; j++) guest_random(&state);
        printf("%d: %d %016llx\n", i, (int)hits, (unsigned long long)state);
    }
    CHECK(pthread_join(thread, NULL) == 0);
}
