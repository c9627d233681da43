// computes SECONDS: a thread computes for so long without any event, while the main thread waits for it at a condition.
#include "guest.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint64_t sum;
static bool done;
static uint64_t rounds;

static uint64_t compute(uint64_t count) {
    uint64_t x = 88172645463325252;
    for (uint64_t i = 0; i < count; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static void *work(void *unused) {
    (void)unused;
    uint64_t result = compute(rounds);
    pthread_mutex_lock(&lock);
    sum = result;
    done = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(int count, char **arguments) {
    int seconds = guest_number(count, arguments, 1, 1, 3600);
    enum { SAMPLE = 100000000 };
    double start = now();
    uint64_t sample = compute(SAMPLE);
    rounds = (uint64_t)(SAMPLE / (now() - start) * seconds);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
    pthread_mutex_lock(&lock);
    while (!done) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    CHECK(pthread_join(thread, NULL) == 0);
    printf("%llu rounds: %llx %llx\n", (unsigned long long)rounds, (unsigned long long)sample, (unsigned long long)sum);
    return 0;
}
