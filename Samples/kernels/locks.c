// Lock-heavy: locks [THREADS] [GROUPS] [ROUNDS]. Each round locks one of the 16 mutexes of the thread's group and works on
// what it guards. With one group all threads share them; with as many groups as threads they have nothing in common, and
// only an order that is stricter than need be makes one wait for another.
#include "kernel.h"

enum { LOCKS = 16, INSIDE = 50, OUTSIDE = 200 };

struct cell {
    _Alignas(LINE) pthread_mutex_t mutex;
    uint64_t value;
};
static struct cell cells[64][LOCKS];
static int groups, rounds;

static void *body(void *argument) {
    int self = (int)(intptr_t)argument;
    struct cell *group = cells[self % groups];
    uint64_t random = seed_of(self);
    pthread_barrier_wait(&all);
    for (int i = 0; i < rounds; i++) {
        random = compute(random, OUTSIDE);
        struct cell *cell = &group[random >> 60];
        pthread_mutex_lock(&cell->mutex);
        cell->value = compute(mixed(cell->value, random), INSIDE);
        pthread_mutex_unlock(&cell->mutex);
    }
    return NULL;
}

int main(int count, char **arguments) {
    threads = argument(count, arguments, 1, 4, THREADS_MAX);
    groups = argument(count, arguments, 2, 1, 64);
    rounds = argument(count, arguments, 3, 100000, 1000000000);
    for (int i = 0; i < groups; i++)
        for (int j = 0; j < LOCKS; j++) pthread_mutex_init(&cells[i][j].mutex, NULL);
    double seconds = run_threads(body);
    uint64_t result = 0;
    for (int i = 0; i < groups; i++)
        for (int j = 0; j < LOCKS; j++) result = mixed(result, cells[i][j].value);
    return report(seconds, (uint64_t)threads * (uint64_t)rounds, result);
}
