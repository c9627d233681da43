// Forks while other threads are at atomics: the child prints what it found, does some itself, on its copy, and starts a
// thread. If the fork met an operation in its middle, the child's would wait for ever.
#include "race.h"

#include <stdatomic.h>
#include <sys/wait.h>

static atomic_long counters[GUEST_THREADS_MAX + 1];
static _Atomic uint64_t mixed = GUEST_HASH_START;
static atomic_bool done;

static void step(int self) {
    atomic_fetch_add(&counters[self], 1);
    uint64_t old = atomic_load(&mixed);
    while (!atomic_compare_exchange_weak(&mixed, &old, guest_hash(old, (uint64_t)self))) {}
}

static void *child_thread(void *unused) {
    (void)unused;
    for (int i = 0; i < 100; i++) step(race_threads);
    return NULL;
}

static void run_child(void) {
    char text[64 + 24 * GUEST_THREADS_MAX];
    long before = atomic_load(&counters[race_threads]);
    int length = snprintf(text, sizeof text, "%016llx", (unsigned long long)atomic_load(&mixed));
    for (int i = 0; i < race_threads; i++)
        length += snprintf(text + length, 24, " %ld", atomic_load(&counters[i]));
    text[length++] = '\n';
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, child_thread, NULL) == 0);
    child_thread(NULL);
    CHECK(pthread_join(thread, NULL) == 0 && atomic_load(&counters[race_threads]) == before + 200);
    _exit(write(1, text, (size_t)length) == length ? 0 : 1);
}

static uint64_t work(int self) {
    long steps = 0;
    if (self > 0) {
        for (; !atomic_load(&done); steps++) {
            step(self);
            // How much there is to replay must not depend on how long the forks take on a busy machine.
            if (steps % 256 == 255) nanosleep(&(struct timespec){0, 500000}, NULL);
        }
        CHECK(atomic_load(&counters[self]) == steps);
        return (uint64_t)steps;
    }
    for (int i = 0; race_goes_on(i); i++) {
        struct timespec pause = {0, 100000};
        nanosleep(&pause, NULL);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) run_child();
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    atomic_store(&done, true);
    return (uint64_t)race_turns;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 8 * guest_threads(count, arguments));
    race_run("steps", work);
    printf("mixed %016llx\n", (unsigned long long)mixed);
    return 0;
}
