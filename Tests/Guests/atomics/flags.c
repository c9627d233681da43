// Atomic flags, the one type that needs no lock anywhere: locks of them, and a race for each of many.
#include "race.h"

#include <stdatomic.h>

enum { FLAGS = 4096 };

static atomic_flag locks[3] = {ATOMIC_FLAG_INIT, ATOMIC_FLAG_INIT, ATOMIC_FLAG_INIT};
static uint64_t orders[3];
static int holds[3];
static atomic_flag firsts[FLAGS];
static bool bytes[FLAGS]; // the same with the builtins
static atomic_int won;

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START, random = (uint64_t)self + 1;
    for (int i = 0; i < FLAGS; i++) {
        bool first = !atomic_flag_test_and_set(&firsts[i]);
        bool second = !__atomic_test_and_set(&bytes[i], __ATOMIC_ACQ_REL);
        atomic_fetch_add(&won, first + second);
        seen = guest_hash(seen, first + 2u * second);
    }
    for (int i = 0; race_goes_on(i); i++) {
        unsigned spins = 0, which = (unsigned)(guest_random(&random) >> 40) % 3;
        while (atomic_flag_test_and_set_explicit(&locks[which], memory_order_acquire)) race_relax(&spins);
        orders[which] = guest_hash(orders[which], (uint64_t)self);
        holds[which]++;
        atomic_flag_clear_explicit(&locks[which], memory_order_release);
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 20000);
    race_run("flags", work);
    CHECK(won == 2 * FLAGS && holds[0] + holds[1] + holds[2] == race_threads * race_turns);
    for (int i = 0; i < 3; i++) printf("order %016llx\n", (unsigned long long)orders[i]);
    return 0;
}
