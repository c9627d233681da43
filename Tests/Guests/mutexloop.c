// Micro-benchmark: mutexloop [THREADS] [SECONDS] [line]. Every thread locks and unlocks two mutexes of its own in turn, without
// contention. One more thread exists all the time, so that the process is a multi-threaded one even with THREADS 1.
// Prints the time of one lock and unlock. With `line` it reads the time stamp counter while it holds the mutex, and writes a
// cache line in a ring of 4 MiB: no log can cost less.
#include "loop.h"

enum { BATCH = 10000, LINES = 65536 };

struct line {
    _Alignas(64) uint64_t words[8];
};
static bool writes_lines;

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
    struct line *lines = writes_lines ? aligned_alloc(64, LINES * sizeof *lines) : NULL;
    uint64_t written = 0;
    long long start = now_ns(), end = start;
    while ((double)(end - start) < seconds * 1e9) {
        for (int i = 0; i < BATCH; i++) {
            pthread_mutex_lock(&work->mutexes[i & 1]);
            if (lines) {
                struct line *line = &lines[written++ % LINES];
                uint64_t ticks = __builtin_ia32_rdtsc();
                for (int word = 0; word < 8; word++) *(volatile uint64_t *)&line->words[word] = ticks;
            }
            pthread_mutex_unlock(&work->mutexes[i & 1]);
        }
        work->operations += BATCH;
        end = now_ns();
    }
    work->nanoseconds = end - start;
    free(lines);
    return NULL;
}

int main(int count, char **arguments) {
    int threads = guest_number(count, arguments, 1, 1, GUEST_THREADS_MAX);
    seconds = count > 2 ? atof(arguments[2]) : 1;
    writes_lines = count > 3 && strcmp(arguments[3], "line") == 0;
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
