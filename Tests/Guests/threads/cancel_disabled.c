// Cancellation held off and allowed again.
#include "../small.h"

static void *body(void *argument) {
    long calls = 0;
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    for (int i = 0; i < 50; i++, calls++) rest(50);
    *(long *)argument = calls;
    pthread_setcancelstate(old, NULL);
    for (;; calls++) {
        *(long *)argument = calls;
        rest(10);
    }
    return NULL;
}

int main(void) {
    for (int i = 0; i < 6; i++) {
        pthread_t thread;
        long calls = 0;
        CHECK(pthread_create(&thread, NULL, body, &calls) == 0);
        rest(1500 * i);
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(calls >= 50);
        printf("%d: %ld\n", i, calls);
    }
    stamp("end");
}
