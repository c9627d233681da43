// Locks with deadlines, by both clocks: who gets them in time.
#include "../small.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static int got[4], late[4];

static void *body(void *argument) {
    intptr_t me = (intptr_t)argument;
    for (int i = 0; i < 60; i++) {
        clockid_t clock = i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
        struct timespec deadline = guest_deadline(clock, 100000);
        int result;
        if (i % 3 == 0) result = pthread_mutex_clocklock(&mutex, clock, &deadline);
        else if (i % 3 == 1) result = pthread_rwlock_clockwrlock(&rwlock, clock, &deadline);
        else result = pthread_rwlock_clockrdlock(&rwlock, clock, &deadline);
        if (result == 0) rest(i % 3 == 2 ? 10 : 100);
        if (result == 0) i % 3 == 0 ? pthread_mutex_unlock(&mutex) : pthread_rwlock_unlock(&rwlock);
        result == 0 ? got[me]++ : late[me]++;
        CHECK(result == 0 || result == ETIMEDOUT);
    }
    return NULL;
}

int main(void) {
    guest_run_threads(4, body);
    for (int i = 0; i < 4; i++) printf("%d: got %d late %d\n", i, got[i], late[i]);
}
