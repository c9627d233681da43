// Every operation in every memory order that it may have. Orders that the compiler cannot foresee become a switch.
#include "race.h"

#include <atomic>

static const std::memory_order all[] = {std::memory_order_relaxed, std::memory_order_consume, std::memory_order_acquire,
                                        std::memory_order_release, std::memory_order_acq_rel, std::memory_order_seq_cst};
static const std::memory_order for_loads[] = {all[0], all[1], all[2], all[5]};
static const std::memory_order for_stores[] = {all[0], all[3], all[5]};

static std::atomic<int> count, adds;
static std::atomic<long> stored;
static std::atomic<bool> flag;
static std::atomic<const char *> pointer;
static const char text[64] = "";

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START, random = (uint64_t)self + 1;
    for (int i = 0; race_goes_on(i); i++) {
        auto drawn = guest_random(&random) >> 32;
        auto any = all[drawn % 6], load = for_loads[drawn % 4], store = for_stores[drawn % 3];
        seen = guest_hash(seen, (uint64_t)adds.fetch_add(1, any));
        stored.store(self * 100000L + i, store);
        seen = guest_hash(seen, (uint64_t)stored.load(load));
        int old = count.load(load);
        while (!count.compare_exchange_weak(old, old + 1, any, load)) {}
        seen = guest_hash(seen, (uint64_t)old);
        seen = guest_hash(seen, flag.exchange(drawn & 64, any));
        pointer.store(text + drawn % 64, store);
        seen = guest_hash(seen, (uint64_t)(pointer.load(load) - text));
        bool expected = true;
        seen = guest_hash(seen, flag.compare_exchange_strong(expected, false, any));
    }
    return seen;
}

int main(int number, char **arguments) {
    race_begin(number, arguments, 8000);
    pointer = text;
    race_run("orders", work);
    CHECK(count == race_threads * race_turns && adds == count);
}
