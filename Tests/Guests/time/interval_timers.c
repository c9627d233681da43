// The old timers: real, virtual and profiling time, and alarm.
#include "guest.h"

#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t counts[65];

static void handler(int number) { counts[number]++; }

int main(void) {
    struct itimerval time = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000}, old;
    struct sigaction action = {.sa_handler = handler};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && sigaction(SIGVTALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &time, NULL) == 0);
    while (counts[SIGALRM] < 3) pause();
    CHECK(getitimer(ITIMER_REAL, &old) == 0);
    printf("pid %d left %ld of %ld\n", getpid(), (long)old.it_value.tv_usec, (long)old.it_interval.tv_usec);
    time = (struct itimerval){0};
    CHECK(setitimer(ITIMER_REAL, &time, &old) == 0);
    printf("stopped with %ld\n", (long)old.it_value.tv_usec);
    time = (struct itimerval){.it_value.tv_usec = 1000};
    CHECK(setitimer(ITIMER_VIRTUAL, &time, NULL) == 0);
    for (int i = 0; counts[SIGVTALRM] == 0; i++) (void)getppid();
    printf("alarm %u", alarm(10));
    printf(" %u at %llu\n", alarm(0), guest_now());
    printf("bad %d errno %d\n", setitimer(9, &time, NULL), errno);
    return 0;
}
