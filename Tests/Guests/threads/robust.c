// Owners of robust mutexes that die: threads and a forked process.
#include "../small.h"

static pthread_mutex_t *mutex;

static void *die_with_it(void *argument) {
    int result = pthread_mutex_lock(mutex);
    if (result == EOWNERDEAD) pthread_mutex_consistent(mutex);
    printf("%d took it: %s\n", (int)(intptr_t)argument, strerror(result));
    return NULL;
}

int main(void) {
    mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    CHECK(pthread_mutex_init(mutex, &attributes) == 0);
    guest_run_threads(4, die_with_it);
    int result = pthread_mutex_trylock(mutex);
    printf("main: %s\n", strerror(result));
    if (result == EOWNERDEAD) pthread_mutex_consistent(mutex);
    pthread_mutex_unlock(mutex);
    fflush(stdout);
    pid_t child = fork_surely();
    if (child == 0) {
        pthread_mutex_lock(mutex);
        _exit(0);
    }
    CHECK(waitpid(child, NULL, 0) == child);
    result = pthread_mutex_lock(mutex);
    printf("after the child %d: %s\n", (int)child, strerror(result));
    pthread_mutex_unlock(mutex); // without making it consistent
    printf("then: %s\n", strerror(pthread_mutex_lock(mutex)));
}
