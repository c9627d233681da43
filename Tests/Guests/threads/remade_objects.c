// Mutexes, barriers and condition variables destroyed and made again at one place; barriers used many times.
#include "../small.h"

static pthread_mutex_t mutex;
static pthread_barrier_t barrier, rounds;
static uint64_t order = GUEST_HASH_START;
static int serial[4];

static void *body(void *argument) {
    for (int i = 0; i < 20; i++) {
        pthread_mutex_lock(&mutex);
        order = guest_hash(order, (uint64_t)argument);
        pthread_mutex_unlock(&mutex);
        if (pthread_barrier_wait(&rounds) == PTHREAD_BARRIER_SERIAL_THREAD) {
            serial[(intptr_t)argument]++;
            pthread_mutex_destroy(&mutex);
            pthread_mutex_init(&mutex, NULL);
            pthread_barrier_destroy(&barrier);
            pthread_barrier_init(&barrier, NULL, 4);
        }
        pthread_barrier_wait(&rounds);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&rounds);
    }
    return NULL;
}

int main(void) {
    pthread_mutex_init(&mutex, NULL);
    pthread_barrier_init(&barrier, NULL, 4), pthread_barrier_init(&rounds, NULL, 4);
    guest_run_threads(4, body);
    printf("order %016llx serial %d %d %d %d\n", (unsigned long long)order, serial[0], serial[1], serial[2], serial[3]);
}
