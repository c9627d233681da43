// sa_mask holds other signals off while a handler runs; nested handlers show who interrupts whom.
#include "../small.h"

static volatile char trace[64];
static volatile sig_atomic_t length;

static void put(char c) {
    trace[length] = c;
    length = length + 1;
}
static void on_masked(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    put('[');
    raise(SIGUSR2);
    put(']');
}
static void on_open(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    put('<');
    raise(SIGUSR2);
    put('>');
}
static void on_second(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    put(sigismember(&now, SIGUSR1) ? 'M' : 'm');
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_masked, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR2);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    handle(SIGTERM, on_open, 0);
    handle(SIGUSR2, on_second, 0);
    raise(SIGUSR1);
    raise(SIGTERM);
    kill(getpid(), SIGUSR1);
    printf("%s\n", (char *)trace);
    stamp("end");
}
