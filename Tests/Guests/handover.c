// One thread takes a mutex, tells another one, and does things that are events before it unlocks; the other one waits for the mutex
// meanwhile, and says that it has it.
#include "guest.h"

#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int told[2];

static void *first(void *nothing) {
    struct timespec moment = {0, 20000000}, now;
    pthread_mutex_lock(&mutex);
    CHECK(write(told[1], "x", 1) == 1);
    nanosleep(&moment, NULL);
    for (int i = 0; i < 100; i++) clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_unlock(&mutex);
    return nothing;
}
static void *second(void *nothing) {
    char byte;
    CHECK(read(told[0], &byte, 1) == 1);
    pthread_mutex_lock(&mutex);
    CHECK(write(1, "the second has it\n", 18) == 18);
    pthread_mutex_unlock(&mutex);
    return nothing;
}

int main(void) {
    pthread_t threads[2];
    CHECK(pipe(told) == 0);
    CHECK(pthread_create(&threads[0], NULL, first, NULL) == 0 && pthread_create(&threads[1], NULL, second, NULL) == 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    printf("done\n");
    return 0;
}
