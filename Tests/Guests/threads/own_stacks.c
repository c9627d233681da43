// Several threads on stacks of the program's own: cancelled, detached, signalled.
#include "../small.h"

static __thread volatile int hits;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int cleaned; // lock

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    hits = hits + 1;
}
static void clean(void *argument) {
    pthread_mutex_lock(&lock);
    cleaned += (int)(intptr_t)argument + hits;
    pthread_mutex_unlock(&lock);
}
static void *body(void *argument) {
    pthread_cleanup_push(clean, argument);
    for (;;) rest(100);
    pthread_cleanup_pop(0);
    return NULL;
}

int main(void) {
    handle(SIGUSR1, on_signal, SA_RESTART);
    pthread_t threads[4];
    for (intptr_t i = 0; i < 4; i++) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        char *own = mmap(NULL, 131072, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pthread_attr_setstack(&attributes, own, 131072);
        CHECK(pthread_create(&threads[i], &attributes, body, (void *)(i * 10)) == 0);
    }
    for (int i = 0; i < 4; i++) pthread_kill(threads[i], SIGUSR1);
    rest(1000);
    for (int i = 0; i < 4; i++) CHECK(pthread_cancel(threads[i]) == 0);
    for (int i = 0; i < 4; i++) {
        void *result;
        CHECK(pthread_join(threads[i], &result) == 0);
        CHECK(result == PTHREAD_CANCELED);
    }
    printf("cleaned %d\n", cleaned);
    stamp("end");
}
