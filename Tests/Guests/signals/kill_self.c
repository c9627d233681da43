// kill() of the own process: the handler has run before the call returns.
#include "../small.h"

static volatile sig_atomic_t hits;
static volatile pid_t sender;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    hits = hits + 1;
    sender = info->si_pid;
}

int main(void) {
    handle(SIGUSR1, on_signal, 0);
    for (int i = 1; i <= 20; i++) {
        CHECK(kill(getpid(), SIGUSR1) == 0);
        printf("%d: hits %d from %d\n", i, (int)hits, (int)sender);
    }
    stamp("end");
}
