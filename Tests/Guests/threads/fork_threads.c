// Forks by several threads at once, with handlers of fork that take a lock.
#include "../small.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int turns, prepared, parents;

static void prepare(void) {
    pthread_mutex_lock(&lock);
    prepared++;
}
static void in_parent(void) {
    parents++;
    pthread_mutex_unlock(&lock);
}
static void in_child(void) { pthread_mutex_unlock(&lock); }

static void *body(void *argument) {
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 20; j++) {
            pthread_mutex_lock(&lock);
            turns++;
            pthread_mutex_unlock(&lock);
        }
        int status;
        pid_t child = fork_surely();
        if (child == 0) _exit(turns % 250);
        CHECK(waitpid(child, &status, 0) == child);
        printf("%d: child %d saw %d\n", (int)(intptr_t)argument, (int)child, WEXITSTATUS(status));
    }
    return NULL;
}

int main(void) {
    pthread_atfork(prepare, in_parent, in_child);
    guest_run_threads(3, body);
    printf("turns %d prepared %d parents %d\n", turns, prepared, parents);
}
