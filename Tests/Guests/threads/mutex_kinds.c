// Error-checking, recursive, adaptive and priority-inheriting mutexes, with their errors.
#include "../small.h"

static pthread_mutex_t mutexes[4];
static uint64_t order[4];

static void *body(void *argument) {
    for (int i = 0; i < 100; i++) {
        int which = i % 4;
        int first = pthread_mutex_lock(&mutexes[which]);
        order[which] = guest_hash(order[which], (uint64_t)argument);
        int second = which < 2 ? pthread_mutex_lock(&mutexes[which]) : pthread_mutex_trylock(&mutexes[which]);
        order[which] = guest_hash(order[which], (uint64_t)(first * 1000 + second));
        if (second == 0) pthread_mutex_unlock(&mutexes[which]);
        pthread_mutex_unlock(&mutexes[which]);
    }
    int result = pthread_mutex_unlock(&mutexes[0]);
    CHECK(result == EPERM);
    return NULL;
}

int main(void) {
    int kinds[] = {PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_MUTEX_NORMAL};
    for (int i = 0; i < 4; i++) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_settype(&attributes, kinds[i]);
        if (i == 3) pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
        CHECK(pthread_mutex_init(&mutexes[i], &attributes) == 0);
    }
    guest_run_threads(4, body);
    for (int i = 0; i < 4; i++) printf("%d: %016llx\n", i, (unsigned long long)order[i]);
}
