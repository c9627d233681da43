// Atomics in memory that processes share: children of fork, each with two threads, count, lock and pass a token around.
#include "race.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

static struct shared {
    atomic_long count;
    atomic_int taken, token, arrived;
    // Guarded by `taken`.
    uint64_t order;
    long holds;
    uint64_t seen[GUEST_THREADS_MAX][2];
} *shared;

static void *work(void *argument) {
    int self = (int)(intptr_t)argument, process = self / 2;
    uint64_t seen = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        unsigned spins = 0;
        seen = guest_hash(seen, (uint64_t)atomic_fetch_add(&shared->count, 1));
        while (atomic_exchange(&shared->taken, 1)) race_relax(&spins);
        shared->order = guest_hash(shared->order, (uint64_t)self);
        shared->holds++;
        atomic_store(&shared->taken, 0);
        // The token goes through the processes in turn.
        if (self % 2 || i % 16) continue;
        while (atomic_load(&shared->token) != process) race_relax(&spins);
        atomic_store(&shared->token, (process + 1) % race_threads);
    }
    shared->seen[process][self % 2] = seen;
    return NULL;
}

static void run_child(int process) {
    pthread_t other;
    unsigned spins = 0;
    atomic_fetch_add(&shared->arrived, 1);
    while (atomic_load(&shared->arrived) < race_threads) race_relax(&spins);
    CHECK(pthread_create(&other, NULL, work, (void *)(intptr_t)(2 * process + 1)) == 0);
    work((void *)(intptr_t)(2 * process));
    CHECK(pthread_join(other, NULL) == 0);
    _exit(0);
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 8000); // processes, here
    shared = (struct shared *)mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    for (int i = 0; i < race_threads; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) run_child(i);
    }
    for (int i = 0, status; i < race_threads; i++) CHECK(wait(&status) > 0 && status == 0);
    CHECK(shared->count == 2L * race_threads * race_turns && shared->holds == shared->count);
    for (int i = 0; i < race_threads; i++)
        printf("process %d %016llx %016llx\n", i, (unsigned long long)shared->seen[i][0],
               (unsigned long long)shared->seen[i][1]);
    printf("order %016llx\n", (unsigned long long)shared->order);
    return 0;
}
