// Sleeping: for a time, until a time, and interrupted with what is left.
#include "guest.h"

#include <signal.h>
#include <sys/select.h>
#include <sys/time.h>

static void handler(int number) { (void)number; }

int main(void) {
    struct timespec time = {0, 500000}, left = {0};
    unsigned long long start = guest_now();
    CHECK(nanosleep(&time, &left) == 0);
    printf("slept %llu\n", guest_now() - start);
    time = guest_deadline(CLOCK_MONOTONIC, 500000);
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == 0);
    time = (struct timespec){0, 500000};
    CHECK(clock_nanosleep(CLOCK_REALTIME, 0, &time, NULL) == 0);
    printf("then %llu\n", guest_now() - start);
    struct sigaction action = {.sa_handler = handler};
    struct itimerval timer = {.it_value.tv_usec = 1000};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
    time = (struct timespec){5, 0};
    int result = nanosleep(&time, &left);
    printf("interrupted %d errno %d, %lld.%09ld left\n", result, errno, (long long)left.tv_sec, left.tv_nsec);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    result = clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &left);
    printf("interrupted %d, %lld.%09ld left\n", result, (long long)left.tv_sec, left.tv_nsec);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    struct timeval wait = {5, 0};
    result = select(0, NULL, NULL, NULL, &wait);
    printf("select %d errno %d, %ld.%06ld left\n", result, errno, (long)wait.tv_sec, (long)wait.tv_usec);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    printf("sleep left %u, usleep %d\n", sleep(3), usleep(100));
    time.tv_nsec = -1;
    printf("bad %d errno %d\n", nanosleep(&time, NULL), errno);
    return 0;
}
