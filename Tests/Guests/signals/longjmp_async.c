// Handlers that leave with siglongjmp: out of a computation, a read, a sleep and a lock.
#include "../small.h"

#include <setjmp.h>

static sigjmp_buf back;
static volatile sig_atomic_t hits;

static void on_alarm(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    hits = hits + 1;
    siglongjmp(back, (int)hits);
}

int main(void) {
    int pipes[2];
    volatile long calls = 0;
    char byte;
    CHECK(pipe(pipes) == 0);
    handle(SIGALRM, on_alarm, 0);
    for (volatile int i = 0; i < 12; i++) {
        if (sigsetjmp(back, 1) == 0) {
            struct itimerval timer = {.it_value.tv_usec = 1000, .it_interval.tv_usec = 1000};
            setitimer(ITIMER_REAL, &timer, NULL);
            if (i % 3 == 0) read(pipes[0], &byte, 1);
            if (i % 3 == 1) nanosleep(&(struct timespec){.tv_sec = 9}, NULL);
            for (;; calls++) getppid();
        }
        every(0);
        printf("%d: hits %d calls %ld\n", (int)i, (int)hits, calls);
    }
}
