// A handler that ends its thread with pthread_exit, past cleanup handlers.
#include "../small.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int cleaned; // lock

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    pthread_exit((void *)7);
}
static void clean(void *argument) {
    pthread_mutex_lock(&lock);
    cleaned += (int)(intptr_t)argument;
    pthread_mutex_unlock(&lock);
}
static void *body(void *argument) {
    volatile intptr_t calls = 0;
    pthread_cleanup_push(clean, argument);
    pthread_cleanup_push(clean, (void *)100);
    if ((intptr_t)argument % 3 == 0)
        for (;;) pause();
    if ((intptr_t)argument % 3 == 1)
        for (;; calls++) getppid();
    for (;; calls++) spin(100), pthread_mutex_lock(&lock), pthread_mutex_unlock(&lock);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

int main(void) {
    handle(SIGUSR1, on_signal, 0);
    for (intptr_t i = 0; i < 12; i++) {
        pthread_t thread;
        void *result;
        if (i % 3 == 2) continue;
        CHECK(pthread_create(&thread, NULL, body, (void *)i) == 0);
        rest(1000);
        CHECK(pthread_kill(thread, SIGUSR1) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(result == (void *)7);
        printf("%d: cleaned %d\n", (int)i, cleaned);
    }
    stamp("end");
}
