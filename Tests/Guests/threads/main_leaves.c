// Main leaves by pthread_exit, and the others go on for longer than the agent takes to look who is alive: the process then
// looks like one that has ended and was not waited for.
#include "../small.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int turns;

static void *body(void *argument) {
    for (int i = 0; i < 60; i++) {
        rest(5000);
        pthread_mutex_lock(&lock);
        turns++;
        if (i % 20 == 19) {
            printf("thread %d, turn %d\n", (int)(intptr_t)argument, turns);
            stamp("now");
        }
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

int main(void) {
    for (intptr_t i = 0; i < 3; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, body, (void *)i) == 0 && pthread_detach(thread) == 0);
    }
    stamp("main leaves");
    pthread_exit(NULL);
}
