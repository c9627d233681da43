// std::atomic's wait and notify, which spin and then sleep in the kernel: a ball goes around, and all wait for a start.
#include "race.h"

#include <atomic>

static std::atomic<int> ball, round_number;
static std::atomic<uint64_t> order{GUEST_HASH_START};
static std::atomic_flag gate = ATOMIC_FLAG_INIT;

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    if (self == 0) {
        gate.test_and_set();
        gate.notify_all();
    }
    gate.wait(false);
    for (int i = 0; race_goes_on(i); i++) {
        for (int at; (at = ball.load(std::memory_order_acquire)) != self;) ball.wait(at), seen = guest_hash(seen, (uint64_t)at);
        order = guest_hash(order, (uint64_t)self);
        ball.store((self + 1) % race_threads);
        ball.notify_all();
        // Whoever comes last opens the next round.
        int now = round_number.fetch_add(1) + 1;
        seen = guest_hash(seen, (uint64_t)now);
        if (now % 8 == 0) round_number.notify_one();
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 2000);
    race_run("ball", work);
    CHECK(round_number == race_threads * race_turns);
    printf("order %016llx\n", (unsigned long long)order.load());
}
