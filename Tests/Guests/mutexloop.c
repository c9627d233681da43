// Micro-benchmark: mutexloop [THREADS] [SECONDS]. Every thread locks and unlocks two mutexes of its own in turn, without
// contention. One more thread exists all the time, so that the process is a multi-threaded one even with THREADS 1.
// Prints the time of one lock and unlock.
#include "loop.h"

enum { BATCH = 10000 };

struct work {
    pthread_mutex_t mutexes[2];
    long long operations;
    long long nanoseconds;
    char padding[64]; // the next thread's counters are on another cache line
};

static struct work works[GUEST_THREADS_MAX];
static void *work_thread(void *argument) {
    struct work *work = &works[(intptr_t)argument];
    for (int i = 0; i < 2; i++) pthread_mutex_init(&work->mutexes[i], NULL);
    long long start = now_ns(), end = start;
    while ((double)(end - start) < seconds * 1e9) {
        for (int i = 0; i < BATCH; i++) {
            pthread_mutex_lock(&work->mutexes[i & 1]);
            pthread_mutex_unlock(&work->mutexes[i & 1]);
        }
        work->operations += BATCH;
        end = now_ns();
    }
    work->nanoseconds = end - start;
    return NULL;
}

int main(int count, char **arguments) {
    int threads = guest_number(count, arguments, 1, 1, GUEST_THREADS_MAX);
    seconds = count > 2 ? atof(arguments[2]) : 1;
    pthread_t idle;
    pthread_mutex_lock(&stop_lock);
    CHECK(pthread_create(&idle, NULL, idle_thread, NULL) == 0);
    guest_run_threads(threads, work_thread);
    pthread_mutex_unlock(&stop_lock);
    pthread_join(idle, NULL);
    double sum = 0;
    for (int i = 0; i < threads; i++) sum += (double)works[i].nanoseconds / (double)works[i].operations;
    printf("ns_per_op %.2f\n", sum / threads);
    return 0;
}
