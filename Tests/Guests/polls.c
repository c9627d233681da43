// One thread polls a variable that castor does not see, with a mutex between its looks; the other computes before it sets
// it: for a moment before the time stamp DEADLINE, which castor does not see either, and twenty times as long after it.
// Without DEADLINE it prints the time stamp of now.
#include <x86intrin.h>

#include "guest.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ready;

static void *poll_for_it(void *unused) {
    while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
        pthread_mutex_lock(&lock);
        pthread_mutex_unlock(&lock);
    }
    puts("it is ready");
    return unused;
}

static void compute(int64_t rounds) {
    volatile int64_t i = 0;
    while (i < rounds) i++;
}

int main(int count, char **arguments) {
    if (count < 2) {
        printf("%llu\n", (unsigned long long)__rdtsc());
        return 0;
    }
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, poll_for_it, NULL) == 0);
    compute(50000000);
    if (__rdtsc() > strtoull(arguments[1], NULL, 10)) compute(1000000000);
    __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
    CHECK(pthread_join(thread, NULL) == 0);
    return 0;
}
