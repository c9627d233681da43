// Asynchronous cancellation of threads that make calls and compute.
#include "../small.h"

static int cleaned;
static volatile long calls;

static void clean(void *argument) { cleaned += (int)(intptr_t)argument; }

static void *body(void *argument) {
    pthread_cleanup_push(clean, argument);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;; calls = calls + 1) getppid(), spin(100);
    pthread_cleanup_pop(0);
    return NULL;
}

int main(void) {
    for (intptr_t i = 1; i < 9; i++) {
        pthread_t thread;
        void *result;
        calls = 0;
        CHECK(pthread_create(&thread, NULL, body, (void *)i) == 0);
        rest(500);
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        printf("%d: %d cleaned %d calls %ld\n", (int)i, result == PTHREAD_CANCELED, cleaned, calls);
    }
}
