// What a forked child finds of the other threads' work: each counts before and after calls that sleep, and the child
// prints how far they all were. The counters are read without a lock, but only while their threads are inside calls.
#include "guest.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static int threads, iterations;
static atomic_int counters[GUEST_THREADS_MAX];
static bool done;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static bool is_done(void) {
    pthread_mutex_lock(&lock);
    bool is = done;
    pthread_mutex_unlock(&lock);
    return is;
}

static void *counter(void *argument) {
    intptr_t self = (intptr_t)argument;
    uint64_t random = 88172645463325252u + (uint64_t)self;
    while (!is_done()) {
        struct timespec pause = {0, (long)(guest_random(&random) % 3000000)};
        counters[self]++;
        if (self % 3 == 0) {
            nanosleep(&pause, NULL);
        } else if (self % 3 == 1) {
            poll(NULL, 0, 1 + (int)(guest_random(&random) % 2));
        } else {
            struct timespec when = guest_deadline(CLOCK_REALTIME, pause.tv_nsec);
            pthread_mutex_lock(&lock);
            counters[self]++;
            pthread_cond_timedwait(&never, &lock, &when);
            counters[self]++;
            pthread_mutex_unlock(&lock);
        }
        counters[self]++;
    }
    return NULL;
}

static void *forker(void *unused) {
    (void)unused;
    for (int i = 0; i < iterations; i++) {
        struct timespec pause = {0, 2000000};
        nanosleep(&pause, NULL);
        fflush(stdout);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            char text[GUEST_THREADS_MAX * 12];
            int length = 0;
            for (int k = 0; k < threads; k++) length += snprintf(text + length, 12, "%d ", counters[k]);
            text[length - 1] = '\n';
            _exit(write(1, text, (size_t)length) == length ? 0 : 1);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    pthread_mutex_lock(&lock);
    done = true;
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(int count, char **arguments) {
    threads = guest_threads(count, arguments);
    iterations = guest_iterations(count, arguments, 50);
    pthread_t other;
    CHECK(pthread_create(&other, NULL, forker, NULL) == 0);
    guest_run_threads(threads, counter);
    CHECK(pthread_join(other, NULL) == 0);
    return 0;
}
