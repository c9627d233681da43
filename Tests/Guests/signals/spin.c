// A loop without calls that ends only when a handler says so: the signal cannot wait for the next event, for there is
// none. Twice, by a timer and by another thread; and a count of what was handled when.
#include "guest.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t alarms, users;

static void on_alarm(int number) {
    (void)number;
    alarms++;
    printf("alarm %d in process %d\n", (int)alarms, getpid());
}
static void on_user(int number) {
    (void)number;
    users++;
}

static void *sender(void *main_thread) {
    struct timespec pause = {0, 3000000};
    nanosleep(&pause, NULL);
    CHECK(pthread_kill(*(pthread_t *)main_thread, SIGUSR1) == 0);
    return NULL;
}

int main(void) {
    signal(SIGALRM, on_alarm);
    signal(SIGUSR1, on_user);
    struct itimerval timer = {.it_value = {0, 2000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    while (!alarms) {
    }
    pthread_t self = pthread_self(), other;
    CHECK(pthread_create(&other, NULL, sender, &self) == 0);
    while (!users) {
    }
    CHECK(pthread_join(other, NULL) == 0);
    printf("%d alarms, %d users, process %d\n", (int)alarms, (int)users, getpid());
    return 0;
}
