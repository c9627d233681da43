// Micro-benchmark: contendedloop [SECONDS]. Two threads meet in one atomic or volatile: both add, both store, and one
// loads what the other stores. Prints the time of one operation as a thread sees it.
#include "../../loop.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { BATCH = 1000 };

static atomic_long object __attribute__((aligned(64)));
static volatile long plain __attribute__((aligned(64)));
static pthread_barrier_t met;
static double results[2];

// Ordered by nothing: a thread goes on until its time is over.
#define MEASURE(result, operation)                                                   \
    do {                                                                             \
        pthread_barrier_wait(&met);                                                  \
        long long start = now_ns(), end = start, operations = 0;                     \
        while ((double)(end - start) < seconds * 1e9) {                              \
            for (int i = 0; i < BATCH; i++) operation;                               \
            operations += BATCH;                                                     \
            end = now_ns();                                                          \
        }                                                                            \
        result = (double)(end - start) / (double)operations;                         \
    } while (0)

// The mean of both threads, or the loading one's alone.
#define BOTH(name, operation)                                                        \
    do {                                                                             \
        MEASURE(results[self], operation);                                           \
        pthread_barrier_wait(&met);                                                  \
        if (self == 0) printf(name " %.2f\n", (results[0] + results[1]) / 2);        \
    } while (0)
#define AGAINST(name, operation, other)                                              \
    do {                                                                             \
        double ignored;                                                              \
        if (self == 0) MEASURE(results[0], operation);                               \
        else MEASURE(ignored, other);                                                \
        pthread_barrier_wait(&met);                                                  \
        if (self == 0) printf(name " %.2f\n", results[0]);                           \
        else (void)ignored;                                                          \
    } while (0)

static void *work(void *argument) {
    const long self = (long)argument;
    BOTH("ns_per_add", atomic_fetch_add(&object, 1));
    AGAINST("ns_per_load", (void)atomic_load(&object), atomic_store(&object, i));
    BOTH("ns_per_store", atomic_store(&object, i));
    AGAINST("ns_per_volatile_load", (void)plain, plain = i);
    BOTH("ns_per_volatile_store", plain = i);
    return NULL;
}

int main(int count, char **arguments) {
    seconds = count > 1 ? atof(arguments[1]) : 1;
    CHECK(pthread_barrier_init(&met, NULL, 2) == 0);
    guest_run_threads(2, work);
    return 0;
}
