// A queue of tasks: queue [THREADS] [TASKS]. One thread more hands out tasks through a bounded queue with one mutex and two
// condition variables; the others take them and compute. Who took which is in the result.
#include "kernel.h"

enum { SLOTS = 64, WORK = 1000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static int slots[SLOTS], first, filled, tasks;
static uint64_t taken;

static void put(int task) {
    pthread_mutex_lock(&mutex);
    while (filled == SLOTS) pthread_cond_wait(&not_full, &mutex);
    slots[(first + filled++) % SLOTS] = task;
    pthread_cond_signal(&not_empty);
    pthread_mutex_unlock(&mutex);
}

static int take(int self) {
    pthread_mutex_lock(&mutex);
    while (filled == 0) pthread_cond_wait(&not_empty, &mutex);
    int task = slots[first];
    first = (first + 1) % SLOTS;
    filled--;
    taken = mixed(taken, (uint64_t)task * THREADS_MAX + (uint64_t)self);
    pthread_cond_signal(&not_full);
    pthread_mutex_unlock(&mutex);
    return task;
}

static void *body(void *argument) {
    int self = (int)(intptr_t)argument;
    pthread_barrier_wait(&all);
    if (self == 0) {
        for (int i = 1; i <= tasks; i++) put(i);
        for (int i = 1; i < threads; i++) put(0);
        return NULL;
    }
    uint64_t value = seed_of(self);
    for (int task; (task = take(self)) != 0;) value = compute(value + (uint64_t)task, WORK);
    pthread_mutex_lock(&mutex);
    taken = mixed(taken, value);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

int main(int count, char **arguments) {
    threads = argument(count, arguments, 1, 4, THREADS_MAX - 1) + 1;
    tasks = argument(count, arguments, 2, 20000, 1000000000);
    double seconds = run_threads(body);
    return report(seconds, 2 * (uint64_t)tasks, taken);
}
