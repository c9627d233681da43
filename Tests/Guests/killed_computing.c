// One thread takes a lock three times and then computes for ever, without another event; the other says that it has come so
// far. Whoever reads the log of the killed program finds the three events.
#include "guest.h"

#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int done;

static void *watch(void *unused) {
    (void)unused;
    while (!done) continue;
    CHECK(write(1, "ready\n", 6) == 6);
    pause();
    return NULL;
}

int main(void) {
    pthread_t watcher;
    CHECK(pthread_create(&watcher, NULL, watch, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        pthread_mutex_lock(&lock);
        pthread_mutex_unlock(&lock);
    }
    done = 1;
    for (;;) continue;
}
