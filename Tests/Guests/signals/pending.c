// Blocked signals of another thread: sigpending sees them, they come when the mask allows.
#include "../small.h"

static volatile sig_atomic_t hits;
static pthread_t receiver;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    hits = hits + 1;
}
static void *send(void *argument) {
    for (int i = 0; i < 10; i++) {
        pthread_kill(receiver, SIGUSR1);
        spin(3000);
    }
    return argument;
}

int main(void) {
    receiver = pthread_self();
    handle(SIGUSR1, on_signal, 0);
    for (int round = 0; round < 20; round++) {
        pthread_t thread;
        sigset_t waiting;
        int polls = 0;
        CHECK(pthread_create(&thread, NULL, send, NULL) == 0);
        block(SIGUSR1);
        int before = hits;
        do {
            sigpending(&waiting);
            polls++;
        } while (!sigismember(&waiting, SIGUSR1) && polls < 50);
        CHECK(hits == before); // nothing comes while it is blocked
        unblock(SIGUSR1);
        int after = hits;
        CHECK(pthread_join(thread, NULL) == 0);
        printf("%d: before %d polls %d after %d\n", round, before, polls, after);
    }
}
