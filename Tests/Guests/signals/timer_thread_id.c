// Timers whose signals go to one thread each (SIGEV_THREAD_ID).
#include "../small.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif
enum { THREADS = 3 };
static __thread volatile sig_atomic_t mine;
static int calls[THREADS];

static void on_timer(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    mine = mine + 1;
}

static void *body(void *argument) {
    intptr_t me = (intptr_t)argument;
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
    event.sigev_notify_thread_id = thread_id();
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec time = {.it_value.tv_nsec = 200000, .it_interval.tv_nsec = 200000};
    CHECK(timer_settime(timer, 0, &time, NULL) == 0);
    for (; mine < 10; calls[me]++) getppid();
    CHECK(timer_delete(timer) == 0);
    return NULL;
}

int main(void) {
    handle(SIGUSR2, on_timer, SA_RESTART);
    guest_run_threads(THREADS, body);
    for (int i = 0; i < THREADS; i++) printf("%d: %d calls\n", i, calls[i]);
}
