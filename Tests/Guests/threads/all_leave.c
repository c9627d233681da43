// Main has left, and many threads end at once: the last one to be counted by libc goes on with exit(), while others are still on
// their way out. Their recordings end there.
#include "../small.h"

enum { THREADS = 24 };
static pthread_barrier_t barrier;

static void *body(void *argument) {
    (void)argument;
    for (size_t size = 16; size <= 4096; size += 16) free(malloc(size));  // a thread gives back each kind on its way out
    pthread_barrier_wait(&barrier);
    return NULL;
}

int main(void) {
    CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, body, NULL) == 0 && pthread_detach(thread) == 0);
    }
    stamp("main leaves");
    pthread_exit(NULL);
}
