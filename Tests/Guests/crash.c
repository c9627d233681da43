// Ends in the way named by the first argument, from the middle of work by several threads:
// crash null|abort|stackoverflow|divzero|trap|kill9|exit3|double [THREADS] [ITERATIONS]
// The thread that ends the process is the one that happens to do the last step of the work.
#include "guest.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long steps_left;                     // lock
static uint64_t order = GUEST_HASH_START;   // lock
static pthread_barrier_t start;
static const char *variant;

struct record {
    int thread;
    int *counter;
};

__attribute__((noinline)) static void bump_counter(struct record *record) {
    *record->counter += record->thread;
}

__attribute__((noinline)) static void process_record(struct record *record, int depth) {
    bump_counter(record);
    CHECK(depth < 0);
}

__attribute__((noinline)) static void crash_null(int thread) {
    struct record record = {.thread = thread, .counter = NULL};
    process_record(&record, 3);
}

// Not a tail call and not a loop: the result of each level is used after the call.
__attribute__((noinline)) static int overflow(volatile char *above, int depth) {
    volatile char block[4096];
    block[0] = above ? above[0] : (char)depth;
    block[4095] = 1;
    return depth == INT32_MAX ? 0 : overflow(block, depth + 1) + block[0] + block[4095];
}

__attribute__((noinline)) static int divide(int dividend, int divisor) {
    return dividend / divisor;
}

static void end(int thread) {
    fflush(stdout);
    if (strcmp(variant, "null") == 0) crash_null(thread);
    if (strcmp(variant, "abort") == 0) abort();
    if (strcmp(variant, "stackoverflow") == 0) printf("%d\n", overflow(NULL, 0));
    if (strcmp(variant, "divzero") == 0) printf("%d\n", divide(thread, (int)steps_left));
    if (strcmp(variant, "trap") == 0) __asm__ volatile("int3");
    if (strcmp(variant, "kill9") == 0) kill(getpid(), SIGKILL);
    if (strcmp(variant, "exit3") == 0) exit(3);
    pause();
}

static void *double_thread(void *argument) {
    pthread_barrier_wait(&start);
    crash_null((int)(intptr_t)argument);
    return NULL;
}

static void *work_thread(void *argument) {
    int thread = (int)(intptr_t)argument;
    pthread_barrier_wait(&start);
    for (;;) {
        pthread_mutex_lock(&lock);
        if (steps_left == 0) break;
        order = guest_hash(order, (uint64_t)thread);
        bool yields = steps_left % 64 == 0; // or the first thread would do all the work before the next one exists
        // The process ends with the lock held: no other thread takes a step after the last one.
        if (--steps_left == 0) {
            printf("thread %d ends the process, order %016llx\n", thread, (unsigned long long)order);
            end(thread);
        }
        pthread_mutex_unlock(&lock);
        if (yields) sched_yield();
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(int count, char **arguments) {
    static const char *const variants[] = {"null", "abort", "stackoverflow", "divzero", "trap", "kill9", "exit3", "double"};
    bool known = false;
    for (size_t i = 0; count > 1 && i < sizeof variants / sizeof *variants; i++)
        known = known || strcmp(arguments[1], variants[i]) == 0;
    if (!known) {
        fprintf(stderr, "usage: crash null|abort|stackoverflow|divzero|trap|kill9|exit3|double [THREADS] [ITERATIONS]\n");
        return 2;
    }
    variant = arguments[1];
    int threads = guest_number(count, arguments, 2, 4, GUEST_THREADS_MAX);
    steps_left = guest_number(count, arguments, 3, 10000, 100000000);
    printf("crash %s\n", variant);
    fflush(stdout);
    if (strcmp(variant, "double") == 0) {
        pthread_barrier_init(&start, NULL, 2);
        guest_run_threads(2, double_thread);
    }
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    guest_run_threads(threads, work_thread);
    return 98; // never reached
}
