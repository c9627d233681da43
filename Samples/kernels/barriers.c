// Barrier-heavy: barriers [THREADS] [ROUNDS]. Between two barriers each thread computes a little; whoever the barrier calls
// the last one signs the round.
#include "kernel.h"

enum { WORK = 2000 };

static uint64_t values[THREADS_MAX][LINE / 8], signatures;
static int rounds;

static void *body(void *argument) {
    int self = (int)(intptr_t)argument;
    pthread_barrier_wait(&all);
    for (int i = 0; i < rounds; i++) {
        values[self][0] = compute(values[self][0] + (uint64_t)self, WORK);
        if (pthread_barrier_wait(&among) == PTHREAD_BARRIER_SERIAL_THREAD)
            signatures = mixed(signatures, (uint64_t)self + values[(self + 1) % threads][0]);
        pthread_barrier_wait(&among);
    }
    return NULL;
}

int main(int count, char **arguments) {
    threads = argument(count, arguments, 1, 4, THREADS_MAX);
    rounds = argument(count, arguments, 2, 1000, 1000000000);
    double seconds = run_threads(body);
    return report(seconds, 2 * (uint64_t)threads * (uint64_t)rounds, signatures);
}
