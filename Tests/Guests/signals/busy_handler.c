// A handler that does a lot: calls, a lock, memory, output, errno.
#include "../small.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int hits;
static int shared; // lock

static void on_alarm(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    int error = errno;
    char text[64];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&lock);
    shared++;
    int length = snprintf(text, sizeof text, "alarm %d at %ld\n", shared, now.tv_nsec);
    pthread_mutex_unlock(&lock);
    CHECK(write(1, text, (size_t)length) == length);
    close(-1);
    hits = hits + 1;
    errno = error;
}
static void *other(void *argument) {
    block(SIGALRM);
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&lock);
        shared++;
        pthread_mutex_unlock(&lock);
        rest(20);
    }
    return argument;
}

int main(void) {
    pthread_t thread;
    handle(SIGALRM, on_alarm, SA_RESTART);
    CHECK(pthread_create(&thread, NULL, other, NULL) == 0);
    every(500);
    while (hits < 20) {
        errno = 77;
        getppid();
        CHECK(errno == 77);
    }
    every(0);
    CHECK(pthread_join(thread, NULL) == 0);
    printf("shared %d\n", shared);
}
