// sigsuspend and ppoll lift a mask while they wait; the handler and what follows see which masks there are.
#include "../small.h"

#include <poll.h>

static volatile sig_atomic_t hits, masked;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)info, (void)context;
    sigset_t now;
    hits = hits + 1;
    sigprocmask(SIG_BLOCK, NULL, &now);
    masked = sigismember(&now, SIGUSR2) << 1 | sigismember(&now, signal);
}

int main(void) {
    handle(SIGALRM, on_signal, 0);
    block(SIGALRM);
    block(SIGUSR2);
    every(1500);
    sigset_t none, now;
    sigemptyset(&none);
    for (int i = 0; i < 6; i++) {
        int result = i % 2 ? ppoll(NULL, 0, NULL, &none) : sigsuspend(&none);
        sigprocmask(SIG_BLOCK, NULL, &now);
        printf("%d: %d %s, hits %d, in the handler %d, afterwards %d%d\n", i, result, strerror(errno), (int)hits,
               (int)masked, sigismember(&now, SIGUSR2), sigismember(&now, SIGALRM));
    }
    every(0);
    stamp("end");
}
