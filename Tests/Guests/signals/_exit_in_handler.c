// _exit() called by a handler that a thread's signal runs, while others wait.
// ends: 6
#include "../small.h"

static pthread_t receiver;
static volatile int calls;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    printf("%d calls\n", (int)calls);
    fflush(stdout);
    _exit(6);
}
static void *send(void *argument) {
    rest(1000);
    pthread_kill(receiver, SIGUSR1);
    pause();
    return argument;
}

int main(void) {
    pthread_t thread;
    receiver = pthread_self();
    handle(SIGUSR1, on_signal, 0);
    CHECK(pthread_create(&thread, NULL, send, NULL) == 0);
    for (;; calls = calls + 1) getppid();
}
