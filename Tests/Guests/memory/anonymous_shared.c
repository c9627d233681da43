// Memory shared between a parent and the children it forks, under a mutex that they share too.
#include "guest.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct shared {
    pthread_mutex_t mutex;
    int count, order[300];
};

int main(void) {
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    CHECK(pthread_mutex_init(&shared->mutex, &attributes) == 0);
    for (int i = 0; i < 3; i++) {
        if (fork()) continue;
        for (int k = 0; k < 100; k++) {
            CHECK(pthread_mutex_lock(&shared->mutex) == 0);
            shared->order[shared->count++] = getpid();
            CHECK(pthread_mutex_unlock(&shared->mutex) == 0);
            if (k % 10 == 0) sched_yield();
        }
        _exit(0);
    }
    int status;
    for (int i = 0; i < 3; i++) CHECK(wait(&status) > 0 && status == 0);
    for (int i = 0; i < shared->count; i++) printf("%d ", shared->order[i]);
    printf("at %p\n", (void *)shared);
    return 0;
}
