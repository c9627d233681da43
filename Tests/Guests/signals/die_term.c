// The program ends itself by SIGTERM while its threads work.
// ends: 143
#include "../small.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *body(void *argument) {
    for (int i = 0;; i++) {
        pthread_mutex_lock(&lock);
        printf("%d: %d\n", (int)(intptr_t)argument, i);
        if (i == 40 && argument == (void *)2) {
            fflush(stdout);
            kill(getpid(), SIGTERM);
            pause();
        }
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

int main(void) {
    guest_run_threads(4, body);
}
