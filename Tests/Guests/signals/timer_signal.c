// POSIX timers that send real-time signals with a value; their overruns depend on time.
#include "../small.h"

static volatile sig_atomic_t hits[3], overruns[3];
static timer_t timers[3];

static void on_timer(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    int which = info->si_value.sival_int;
    hits[which] = hits[which] + 1;
    overruns[which] = overruns[which] + info->si_overrun + timer_getoverrun(timers[which]);
}

int main(void) {
    handle(SIGRTMIN, on_timer, SA_RESTART);
    for (int i = 0; i < 3; i++) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = i};
        CHECK(timer_create(CLOCK_MONOTONIC, &event, &timers[i]) == 0);
        struct itimerspec time = {.it_value.tv_nsec = 100000 * (i + 1), .it_interval.tv_nsec = 70000 * (i + 1)};
        CHECK(timer_settime(timers[i], 0, &time, NULL) == 0);
    }
    int calls = 0;
    while (hits[2] < 20) {
        spin(300);
        getppid();
        calls++;
    }
    for (int i = 0; i < 3; i++) {
        struct itimerspec left;
        CHECK(timer_gettime(timers[i], &left) == 0);
        CHECK(timer_delete(timers[i]) == 0);
        printf("%d: hits %d overruns %d left %ld\n", i, (int)hits[i], (int)overruns[i], left.it_value.tv_nsec);
    }
    printf("calls %d\n", calls);
}
