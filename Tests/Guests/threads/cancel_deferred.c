// Deferred cancellation in every kind of waiting call, with cleanup handlers.
#include "../small.h"

#include <semaphore.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static int pipes[2], cleaned;
static sem_t semaphore;

static void clean(void *argument) { cleaned += (int)(intptr_t)argument; }
static void unlock(void *argument) { pthread_mutex_unlock(argument); }
static void *forever(void *argument) {
    for (;;) rest(1000);
    return argument;
}

static void *body(void *argument) {
    intptr_t way = (intptr_t)argument;
    char byte;
    pthread_t other;
    pthread_cleanup_push(clean, (void *)(way + 1));
    if (way == 0) read(pipes[0], &byte, 1);
    if (way == 1) nanosleep(&(struct timespec){.tv_sec = 9}, NULL);
    if (way == 2) {
        pthread_mutex_lock(&lock);
        pthread_cleanup_push(unlock, &lock);
        for (;;) pthread_cond_wait(&never, &lock);
        pthread_cleanup_pop(1);
    }
    if (way == 3) sem_wait(&semaphore);
    if (way == 4) {
        pthread_create(&other, NULL, forever, NULL);
        pthread_join(other, NULL);
    }
    if (way == 5)
        for (;;) pthread_testcancel(), getppid();
    if (way == 6)
        for (;;) pause();
    pthread_cleanup_pop(0);
    return NULL;
}

int main(void) {
    CHECK(pipe(pipes) == 0 && sem_init(&semaphore, 0, 0) == 0);
    for (intptr_t way = 0; way < 7; way++) {
        pthread_t thread;
        void *result;
        CHECK(pthread_create(&thread, NULL, body, (void *)way) == 0);
        if (way % 2) rest(2000);
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        printf("%d: %s, cleaned %d\n", (int)way, result == PTHREAD_CANCELED ? "cancelled" : "ended", cleaned);
    }
    stamp("end");
    fflush(stdout);
    _exit(0);
}
