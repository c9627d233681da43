// POSIX timers that tell by a signal, by a thread, or not at all.
#include "guest.h"

#include <semaphore.h>
#include <signal.h>

static sem_t told;
static volatile sig_atomic_t ticks, value;

static void by_signal(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    ticks++;
    value = info->si_value.sival_int;
}

static void by_thread(union sigval argument) {
    printf("thread for %d at %llu\n", argument.sival_int, guest_now());
    sem_post(&told);
}

int main(void) {
    timer_t timer;
    struct itimerspec time = {.it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000}, left;
    struct sigaction action = {.sa_sigaction = by_signal, .sa_flags = SA_SIGINFO};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 11};
    CHECK(sem_init(&told, 0, 0) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &time, NULL) == 0);
    while (ticks < 3) pause();
    int overrun = timer_getoverrun(timer);
    CHECK(timer_gettime(timer, &left) == 0);
    printf("ticks with %d, overrun %d, left %ld of %ld\n", value, overrun, left.it_value.tv_nsec,
           left.it_interval.tv_nsec);
    CHECK(timer_delete(timer) == 0);
    event = (struct sigevent){.sigev_notify = SIGEV_NONE};
    CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0);
    time = (struct itimerspec){.it_value.tv_sec = 100};
    CHECK(timer_settime(timer, 0, &time, &left) == 0 && timer_gettime(timer, &left) == 0);
    printf("silent: %lld.%09ld left\n", (long long)left.it_value.tv_sec, left.it_value.tv_nsec);
    CHECK(timer_delete(timer) == 0);
    printf("deleted %d errno %d\n", timer_gettime((timer_t)12345678, &left), errno);
    event = (struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = getpid()};
    event.sigev_notify_function = by_thread;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    time = (struct itimerspec){.it_value.tv_nsec = 1000000};
    CHECK(timer_settime(timer, 0, &time, NULL) == 0);
    while (sem_wait(&told) != 0) CHECK(errno == EINTR);
    CHECK(timer_delete(timer) == 0);
    return 0;
}
