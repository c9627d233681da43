// Blocked real-time signals come by number, then in the order in which they were queued; standard ones come once.
#include "../small.h"

static volatile int trace[64], length;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)context;
    trace[length] = signal * 1000 + info->si_value.sival_int;
    length = length + 1;
}

int main(void) {
    sigset_t all, old;
    sigfillset(&all);
    int signals[] = {SIGUSR1, SIGRTMIN + 1, SIGRTMIN + 2, SIGRTMIN + 3};
    for (int i = 0; i < 4; i++) {
        struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO, .sa_mask = all};
        CHECK(sigaction(signals[i], &action, NULL) == 0);
    }
    sigprocmask(SIG_BLOCK, &all, &old);
    for (int i = 0; i < 24; i++) {
        int signal = signals[(i * 7 + getpid()) % 4];
        CHECK(sigqueue(getpid(), signal, (union sigval){.sival_int = i}) == 0);
    }
    sigset_t pending;
    sigpending(&pending);
    for (int i = 0; i < 4; i++) printf("pending %d: %d\n", i, sigismember(&pending, signals[i]));
    sigprocmask(SIG_SETMASK, &old, NULL);
    getppid();
    for (int i = 0; i < length; i++) printf("%d\n", trace[i]);
    stamp("end");
}
