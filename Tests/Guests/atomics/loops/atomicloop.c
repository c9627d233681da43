// Micro-benchmark: atomicloop [SECONDS]. One thread adds to, stores into and loads an atomic of its own, and loads and
// stores a volatile, while another thread exists. Prints the time of each. Neighbouring operations have different
// addresses, so that repeated loads are not counted as one.
#include "../../loop.h"

#include <stdatomic.h>

enum { BATCH = 10000 };

static atomic_long objects[64];
static volatile long plain[64];
#define MEASURE(name, operation)                                                     \
    do {                                                                             \
        long long start = now_ns(), end = start, operations = 0;                     \
        while ((double)(end - start) < seconds * 1e9) {                              \
            for (int i = 0; i < BATCH; i++) operation;                               \
            operations += BATCH;                                                     \
            end = now_ns();                                                          \
        }                                                                            \
        printf(name " %.2f\n", (double)(end - start) / (double)operations);          \
    } while (0)

int main(int count, char **arguments) {
    seconds = count > 1 ? atof(arguments[1]) : 1;
    pthread_t other;
    pthread_mutex_lock(&stop_lock);
    CHECK(pthread_create(&other, NULL, idle_thread, NULL) == 0);
    MEASURE("ns_per_add", atomic_fetch_add(&objects[i & 63], 1));
    MEASURE("ns_per_load", (void)atomic_load(&objects[i & 63]));
    MEASURE("ns_per_store", atomic_store(&objects[i & 63], i));
    MEASURE("ns_per_volatile_load", (void)plain[i & 63]);
    MEASURE("ns_per_volatile_store", plain[i & 63] = i);
    pthread_mutex_unlock(&stop_lock);
    CHECK(pthread_join(other, NULL) == 0);
    return 0;
}
