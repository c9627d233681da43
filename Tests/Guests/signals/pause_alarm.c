// pause() until a timer or another thread's signal comes.
#include "../small.h"

static volatile sig_atomic_t last;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)info, (void)context;
    last = signal;
}

int main(void) {
    handle(SIGALRM, on_signal, 0);
    handle(SIGUSR1, on_signal, 0);
    pid_t parent = getpid();
    for (int i = 0; i < 10; i++) {
        struct itimerval timer = {.it_value.tv_usec = 1500, .it_interval.tv_usec = 3000};
        if (i % 2) {
            setitimer(ITIMER_REAL, &timer, NULL);
        } else {
            if (fork_surely() == 0) { // twice, for the first may come before pause()
                for (int j = 0; j < 2; j++) {
                    rest(1500);
                    kill(parent, SIGUSR1);
                }
                _exit(0);
            }
        }
        int result = pause();
        printf("%d: %d %s, signal %d\n", i, result, strerror(errno), (int)last);
        every(0);
        while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {}
    }
    stamp("end");
}
