// pthread_exit from nested calls, exit and _exit while others run.
// ends: 4
#include "../small.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int turns;

__attribute__((noinline)) static void leave(int depth, void *value) {
    if (depth <= 0) pthread_exit(value);
    leave(depth - 1, value);
    turns++;
}
static void *leaves(void *argument) {
    leave((int)(intptr_t)argument % 7, argument);
    return NULL;
}
static void *runs(void *argument) {
    for (;;) {
        pthread_mutex_lock(&lock);
        if (++turns == 500) {
            printf("%d ends it\n", (int)(intptr_t)argument);
            exit(turns % 50 + 4);
        }
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

int main(void) {
    for (intptr_t i = 0; i < 10; i++) {
        pthread_t thread;
        void *value;
        CHECK(pthread_create(&thread, NULL, leaves, (void *)i) == 0 && pthread_join(thread, &value) == 0);
        CHECK(value == (void *)i);
    }
    stamp("now");
    guest_run_threads(4, runs);
}
