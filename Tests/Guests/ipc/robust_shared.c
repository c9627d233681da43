// A robust mutex in shared memory whose owner, a child, is killed while it holds it.
#include "guest.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct shared {
    pthread_mutex_t mutex;
    char text[64];
};

int main(void) {
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;
    int status, ready[2];
    char byte;
    CHECK(shared != MAP_FAILED && pipe(ready) == 0);
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    CHECK(pthread_mutex_init(&shared->mutex, &attributes) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(pthread_mutex_lock(&shared->mutex) == 0);
        snprintf(shared->text, sizeof shared->text, "left by %d at %llu", getpid(), guest_now());
        CHECK(write(ready[1], "", 1) == 1);
        while (true) pause();
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    printf("held: %d\n", pthread_mutex_trylock(&shared->mutex));
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
    int result = pthread_mutex_lock(&shared->mutex);
    printf("its owner died: %d, status %x, %s\n", result, status, shared->text);
    CHECK(pthread_mutex_consistent(&shared->mutex) == 0 && pthread_mutex_unlock(&shared->mutex) == 0);
    return 0;
}
