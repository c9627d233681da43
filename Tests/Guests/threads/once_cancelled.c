// pthread_once whose first routine is cancelled: another thread runs it again.
#include "../small.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int runs; // lock
static __thread intptr_t name;
static uint64_t order = GUEST_HASH_START; // lock

static void routine(void) {
    pthread_mutex_lock(&lock);
    int run = ++runs;
    order = guest_hash(order, (uint64_t)name);
    pthread_mutex_unlock(&lock);
    if (run == 1)
        for (;;) rest(100);
}
static void *body(void *argument) {
    name = (intptr_t)argument;
    pthread_once(&once, routine);
    pthread_mutex_lock(&lock);
    order = guest_hash(order, (uint64_t)name + 100);
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(void) {
    pthread_t first, others[3];
    CHECK(pthread_create(&first, NULL, body, (void *)9) == 0);
    for (int started = 0; !started; rest(100)) {
        pthread_mutex_lock(&lock);
        started = runs;
        pthread_mutex_unlock(&lock);
    }
    for (intptr_t i = 0; i < 3; i++) CHECK(pthread_create(&others[i], NULL, body, (void *)i) == 0);
    rest(1000);
    CHECK(pthread_cancel(first) == 0);
    CHECK(pthread_join(first, NULL) == 0);
    for (int i = 0; i < 3; i++) CHECK(pthread_join(others[i], NULL) == 0);
    printf("runs %d order %016llx\n", runs, (unsigned long long)order);
}
