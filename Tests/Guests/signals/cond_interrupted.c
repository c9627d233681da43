// Waits on condition variables with handlers that run meanwhile: they are not ended by them.
#include "../small.h"

static volatile sig_atomic_t alarms;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void on_alarm(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    alarms = alarms + 1;
    getppid();
}

static void *sleeper(void *argument) {
    rest(10000);
    return argument;
}

int main(void) {
    pthread_t thread;
    handle(SIGALRM, on_alarm, 0);
    CHECK(pthread_create(&thread, NULL, sleeper, NULL) == 0);
    every(700);
    for (int i = 0; i < 3; i++) {
        struct timespec deadline = guest_deadline(CLOCK_REALTIME, 5000000);
        pthread_mutex_lock(&lock);
        int result = pthread_cond_timedwait(&never, &lock, &deadline);
        pthread_mutex_unlock(&lock);
        printf("%d: %s, alarms %d\n", i, strerror(result), (int)alarms);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    every(0);
    printf("joined, alarms %d\n", (int)alarms);
}
