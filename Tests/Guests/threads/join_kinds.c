// Joins that give up: pthread_tryjoin_np, pthread_timedjoin_np and pthread_clockjoin_np.
#include "../small.h"

static void *body(void *argument) {
    rest((intptr_t)argument * 30);
    return argument;
}

int main(void) {
    int busy = 0, late = 0;
    for (intptr_t i = 0; i < 40; i++) {
        pthread_t thread;
        void *result = NULL;
        CHECK(pthread_create(&thread, NULL, body, (void *)i) == 0);
        clockid_t clock = i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
        struct timespec deadline = guest_deadline(clock, 500000);
        int status = i % 3 == 0 ? pthread_tryjoin_np(thread, &result)
                                : i % 3 == 1 ? pthread_clockjoin_np(thread, &result, clock, &deadline)
                                             : pthread_timedjoin_np(thread, &result, &deadline);
        busy += status == EBUSY, late += status == ETIMEDOUT;
        if (status != 0) CHECK(pthread_join(thread, &result) == 0);
        CHECK(result == (void *)i);
    }
    printf("busy %d late %d\n", busy, late);
    stamp("end");
}
