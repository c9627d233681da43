// sigaction and sigprocmask asked: what is told is what was set.
#include "../small.h"

static void on_signal(int signal, siginfo_t *info, void *context) { (void)signal, (void)info, (void)context; }

int main(void) {
    for (int signal = 1; signal <= 64; signal++) {
        struct sigaction now = {0};
        if (sigaction(signal, NULL, &now) != 0) {
            printf("%d: %s\n", signal, strerror(errno));
            continue;
        }
        printf("%d: %p flags %x\n", signal, (void *)(uintptr_t)now.sa_handler, (unsigned)now.sa_flags);
    }
    struct sigaction wanted = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART}, old;
    sigfillset(&wanted.sa_mask);
    CHECK(sigaction(SIGUSR1, &wanted, NULL) == 0 && sigaction(SIGUSR1, NULL, &old) == 0);
    printf("handler %p flags %x mask", (void *)(uintptr_t)old.sa_sigaction, (unsigned)old.sa_flags);
    for (int signal = 1; signal <= 64; signal++) printf("%d", sigismember(&old.sa_mask, signal));
    sigset_t all, now;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigprocmask(SIG_BLOCK, NULL, &now);
    printf("\nblocked ");
    for (int signal = 1; signal <= 64; signal++) printf("%d", sigismember(&now, signal));
    printf("\n%d %s\n", sigaction(SIGKILL, &wanted, NULL), strerror(errno));
    stamp("end");
}
