// Detached threads that outlive main.
#include "../small.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *body(void *argument) {
    for (int i = 0; i < 5; i++) {
        rest(200);
        pthread_mutex_lock(&lock);
        printf("%d.%d at %p\n", (int)(intptr_t)argument, i, __builtin_frame_address(0));
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

int main(void) {
    for (intptr_t i = 0; i < 6; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, body, (void *)i) == 0 && pthread_detach(thread) == 0);
    }
    stamp("main leaves");
    pthread_exit(NULL);
}
