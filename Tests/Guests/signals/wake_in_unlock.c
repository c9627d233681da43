// A condition variable gives its mutex back as if others waited for it, so that the unlock, which is no event, wakes by a system call:
// handlers run at the next event all the same.
#include "../small.h"

static volatile sig_atomic_t handled;
static volatile int is_over;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_t main_thread;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    handled = handled + 1;
}

static void *sender(void *argument) {
    for (int i = 0; i < 3000; i++) {
        pthread_kill(main_thread, SIGUSR1);
        for (volatile int k = 0; k < 2000; k = k + 1) {}
    }
    return argument;
}

int main(void) {
    pthread_t thread;
    unsigned sum = 0;
    main_thread = pthread_self();
    handle(SIGUSR1, on_signal, 0);
    CHECK(pthread_create(&thread, NULL, sender, NULL) == 0);
    for (int i = 0; i < 2000; i++) {
        struct timespec past = {1, 0};
        pthread_mutex_lock(&lock);
        CHECK(pthread_cond_timedwait(&never, &lock, &past) == ETIMEDOUT);
        for (volatile int k = 0; k < 500; k = k + 1) {}
        pthread_mutex_unlock(&lock);
        sum = sum * 31 + (unsigned)handled;
        getppid();
    }
    CHECK(pthread_join(thread, NULL) == 0);
    printf("sum %u, handled %d\n", sum, (int)handled);
}
