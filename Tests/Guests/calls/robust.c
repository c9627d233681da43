// The list of robust mutexes: set by a thread for itself, read back; a robust mutex whose owner ends.
#include "guest.h"

#include <sys/syscall.h>

static pthread_mutex_t mutex;

static void *ends_with_it(void *unused) {
    (void)unused;
    CHECK(pthread_mutex_lock(&mutex) == 0);
    return NULL;
}

int main(void) {
    void *head = NULL;
    size_t length = 0;
    CHECK(syscall(SYS_get_robust_list, 0, &head, &length) == 0);
    printf("pid %d list at %p of %zu\n", getpid(), head, length);
    CHECK(syscall(SYS_set_robust_list, head, length) == 0);
    printf("bad length: %ld errno %d\n", syscall(SYS_set_robust_list, head, length + 1), errno);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    CHECK(pthread_mutex_init(&mutex, &attributes) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, ends_with_it, NULL) == 0 && pthread_join(thread, NULL) == 0);
    int result = pthread_mutex_lock(&mutex);
    printf("owner died: %d\n", result == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
    printf("again: %d at %llu\n", pthread_mutex_lock(&mutex), guest_now());
    return 0;
}
