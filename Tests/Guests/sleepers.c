// Threads that sleep, and a main thread that waits for its input's end: `sleepers COUNT`.
#include "guest.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static int asleep, over, woken;

static void *sleeper(void *argument) {
    pthread_mutex_lock(&lock);
    asleep++;
    while (!over) pthread_cond_wait(&wake, &lock);
    printf("%d, woken as number %d\n", (int)(intptr_t)argument, ++woken);
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(int words, char **arguments) {
    enum { MOST = 2000 };
    int count = guest_number(words, arguments, 1, 8, MOST);
    static pthread_t threads[MOST];
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 1 << 16) == 0);
    for (intptr_t i = 0; i < count; i++) CHECK(pthread_create(&threads[i], &attributes, sleeper, (void *)i) == 0);
    for (int ready = 0; !ready; usleep(1000)) {
        pthread_mutex_lock(&lock);
        ready = asleep == count;
        pthread_mutex_unlock(&lock);
    }
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF) {}
    pthread_mutex_lock(&lock);
    over = 1;
    pthread_cond_broadcast(&wake);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < count; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
