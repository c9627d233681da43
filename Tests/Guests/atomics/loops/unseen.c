// Reads the time stamp counter where castor does not see it, and keeps what it read in a variable of its own: a row of
// operations that replay cannot repeat.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static _Atomic unsigned long long own;

__attribute__((annotate("castor_ignore"), noinline)) static unsigned long long unseen(void) { return __builtin_ia32_rdtsc(); }

static void *work(void *unused) {
    for (int i = 0; i < 100; i++) atomic_fetch_add(&own, i);
    atomic_store(&own, unseen());
    for (int i = 0; i < 100; i++) atomic_fetch_add(&own, i);
    return unused;
}

int main(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, NULL) || pthread_join(thread, NULL)) return 1;
    puts("done");
    return 0;
}
