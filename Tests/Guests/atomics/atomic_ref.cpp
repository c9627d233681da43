// std::atomic_ref on plain objects that are also used plainly, while no other thread does; among them a floating-point
// number and members of a struct.
#include "race.h"

#include <atomic>
#include <vector>

struct item {
    int32_t count;
    int16_t small;
    double sum;
};

static std::vector<item> items(16);
static uint64_t last;

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START, random = (uint64_t)self + 1;
    for (int i = 0; race_goes_on(i); i++) {
        item &it = items[guest_random(&random) >> 60];
        seen = guest_hash(seen, (uint64_t)std::atomic_ref(it.count).fetch_add(1, std::memory_order_relaxed));
        seen = guest_hash(seen, (uint64_t)std::atomic_ref(it.small).fetch_xor((int16_t)(self + i)));
        seen = guest_hash(seen, (uint64_t)std::atomic_ref(it.sum).fetch_add(0.5, std::memory_order_acq_rel));
        std::atomic_ref lately(last);
        if (i % 8 == 0) lately = (uint64_t)self << 32 | (uint64_t)i;
        else seen = guest_hash(seen, lately);
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 10000);
    for (auto &it : items) it = {0, 0, 0};
    race_run("ref", work);
    int all = 0;
    for (auto &it : items) {
        CHECK(it.sum == it.count * 0.5);
        all += it.count;
        printf("%d %d\n", it.count, it.small);
    }
    CHECK(all == race_threads * race_turns);
}
