// Dekker's and Peterson's locks, which need sequential consistency. The threads go in pairs; the two of a pair share a
// lock of each kind.
#include "race.h"

#include <stdatomic.h>

static struct pair {
    atomic_int wants[2], turn;    // of Dekker
    atomic_int interested[2], polite; // of Peterson
    // Guarded by the one lock, and by the other.
    uint64_t orders[2];
    int holds[2];
} pairs[GUEST_THREADS_MAX / 2];

static void hold(struct pair *pair, int lock, int self) {
    pair->orders[lock] = guest_hash(pair->orders[lock], (uint64_t)self);
    pair->holds[lock]++;
}

static void dekker(struct pair *pair, int me) {
    unsigned spins = 0;
    atomic_store(&pair->wants[me], 1);
    while (atomic_load(&pair->wants[!me])) {
        if (atomic_load(&pair->turn) != me) {
            atomic_store(&pair->wants[me], 0);
            while (atomic_load(&pair->turn) != me) race_relax(&spins);
            atomic_store(&pair->wants[me], 1);
        }
        race_relax(&spins);
    }
    hold(pair, 0, me);
    atomic_store(&pair->turn, !me);
    atomic_store(&pair->wants[me], 0);
}

static void peterson(struct pair *pair, int me) {
    unsigned spins = 0;
    atomic_store(&pair->interested[me], 1);
    atomic_store(&pair->polite, me);
    while (atomic_load(&pair->interested[!me]) && atomic_load(&pair->polite) == me) race_relax(&spins);
    hold(pair, 1, me);
    atomic_store(&pair->interested[me], 0);
}

static uint64_t work(int self) {
    struct pair *pair = &pairs[self / 2];
    for (int i = 0; race_goes_on(i); i++) {
        dekker(pair, self % 2);
        peterson(pair, self % 2);
    }
    return (uint64_t)race_turns;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 8000);
    race_run("pair", work);
    for (int i = 0; i < (race_threads + 1) / 2; i++) {
        int both = 2 * i + 1 < race_threads ? 2 : 1;
        CHECK(pairs[i].holds[0] == both * race_turns && pairs[i].holds[1] == both * race_turns);
        printf("orders %016llx %016llx\n", (unsigned long long)pairs[i].orders[0],
               (unsigned long long)pairs[i].orders[1]);
    }
    return 0;
}
