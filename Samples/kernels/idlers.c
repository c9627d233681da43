// Many threads of which few do anything: idlers [BUSY] [IDLE] [ROUNDS]. The busy ones lock mutexes of their own; the idle
// ones wait on a condition variable from before to after that.
#include "kernel.h"

struct cell {
    _Alignas(LINE) pthread_mutex_t mutexes[2];
    uint64_t value;
};
static struct cell cells[64];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static int busy, working, rounds;
static uint64_t order;
static double started, seconds;

static void idle(int self) {
    pthread_mutex_lock(&mutex);
    while (working > 0) pthread_cond_wait(&ended, &mutex);
    order = mixed(order, (uint64_t)self);
    pthread_mutex_unlock(&mutex);
}

static void *body(void *argument) {
    int self = (int)(intptr_t)argument;
    pthread_barrier_wait(&all);
    if (self >= busy) {
        idle(self);
        return NULL;
    }
    pthread_mutex_lock(&mutex);
    if (started == 0) started = now();
    pthread_mutex_unlock(&mutex);
    struct cell *cell = &cells[self];
    for (int i = 0; i < rounds; i++) {
        pthread_mutex_lock(&cell->mutexes[i & 1]);
        cell->value = mixed(cell->value, (uint64_t)i);
        pthread_mutex_unlock(&cell->mutexes[i & 1]);
    }
    pthread_mutex_lock(&mutex);
    if (--working == 0) {
        seconds = now() - started;
        pthread_cond_broadcast(&ended);
    }
    order = mixed(order, (uint64_t)self);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

int main(int count, char **arguments) {
    busy = working = argument(count, arguments, 1, 4, 64);
    threads = busy + (count > 2 && atoi(arguments[2]) == 0 ? 0 : argument(count, arguments, 2, 996, THREADS_MAX - busy));
    rounds = argument(count, arguments, 3, 100000, 1000000000);
    for (int i = 0; i < busy; i++)
        for (int j = 0; j < 2; j++) pthread_mutex_init(&cells[i].mutexes[j], NULL);
    run_threads(body);
    uint64_t result = order;
    for (int i = 0; i < busy; i++) result = mixed(result, cells[i].value);
    return report(seconds, (uint64_t)busy * (uint64_t)rounds, result);
}
