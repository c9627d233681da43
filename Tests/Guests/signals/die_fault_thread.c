// One of several threads reads through a bad pointer; what the others wrote before depends on the schedule.
// ends: 139
#include "../small.h"

#include <sys/resource.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int turns;

static void *body(void *argument) {
    for (;;) {
        pthread_mutex_lock(&lock);
        printf("%d took turn %d\n", (int)(intptr_t)argument, ++turns);
        if (turns == 100) {
            fflush(stdout);
            *(volatile int *)(uintptr_t)turns = 1;
        }
        pthread_mutex_unlock(&lock);
        sched_yield();
    }
    return NULL;
}

int main(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    guest_run_threads(4, body);
}
