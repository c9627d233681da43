// Compare-and-swap, load, store and exchange of 16 bytes, in __sync, __atomic and _Atomic: two halves that must agree.
// link: -latomic
#include "race.h"

#include <stdatomic.h>

typedef unsigned __int128 wide;
struct two {
    uint64_t count, mixed;
};

static wide counter;
static wide stored;
static _Atomic struct two pair;

static uint64_t mix(uint64_t count) { return count * 0x9e3779b97f4a7c15u ^ 0xc0ffee; }
static wide twice(uint64_t count) { return (wide)mix(count) << 64 | count; }
static bool agrees(wide value) { return mix((uint64_t)value) == (uint64_t)(value >> 64); }

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        wide old = __sync_val_compare_and_swap(&counter, 0, 0), found;
        while ((found = __sync_val_compare_and_swap(&counter, old, twice((uint64_t)old + 1))) != old) old = found;
        CHECK(agrees(old));
        seen = guest_hash(seen, (uint64_t)old);

        wide mine = twice((uint64_t)self << 32 | (uint64_t)i);
        if (i % 2) __atomic_store_n(&stored, mine, __ATOMIC_RELEASE);
        else CHECK(agrees(__atomic_exchange_n(&stored, mine, __ATOMIC_ACQ_REL)));
        wide other = __atomic_load_n(&stored, __ATOMIC_ACQUIRE);
        CHECK(agrees(other));
        seen = guest_hash(seen, (uint64_t)other);

        struct two before = atomic_load(&pair), after;
        do {
            CHECK(before.mixed == mix(before.count));
            after = (struct two){before.count + 1, mix(before.count + 1)};
        } while (!atomic_compare_exchange_weak(&pair, &before, after));
        seen = guest_hash(seen, before.count);
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 12000);
    counter = stored = twice(0);
    atomic_store(&pair, ((struct two){0, mix(0)}));
    race_run("wide", work);
    CHECK(counter == twice((uint64_t)race_threads * (uint64_t)race_turns));
    struct two last = atomic_load(&pair);
    CHECK(last.count == (uint64_t)counter);
    return 0;
}
