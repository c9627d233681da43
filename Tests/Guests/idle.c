// A thread that makes no event for as long as another makes so many: `idle COUNT`.
#include "guest.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static int woken;

static void *idle(void *count) {
    pthread_mutex_lock(&lock);
    while (!woken) pthread_cond_wait(&wake, &lock);
    pthread_mutex_unlock(&lock);
    printf("woken after %d locks\n", *(int *)count);
    return NULL;
}

int main(int words, char **arguments) {
    int count = guest_number(words, arguments, 1, 1, 1 << 30);
    pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, idle, &count) == 0);
    for (int i = 0; i < count; i++) {
        pthread_mutex_lock(&other);
        pthread_mutex_unlock(&other);
    }
    pthread_mutex_lock(&lock);
    woken = 1;
    pthread_cond_signal(&wake);
    pthread_mutex_unlock(&lock);
    CHECK(pthread_join(thread, NULL) == 0);
    return 0;
}
