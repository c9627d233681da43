// Exceptions that threads hand to each other: the count of their owners is an atomic inside libstdc++.
#include "race.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>

static std::atomic<int> alive;
static std::atomic<uint64_t> deaths{GUEST_HASH_START};

struct error : std::runtime_error {
    int maker;
    error(int maker, int turn) : std::runtime_error(std::to_string(turn)), maker(maker) { alive++; }
    error(const error &other) : std::runtime_error(other), maker(other.maker) { alive++; }
    ~error() override {
        alive--;
        uint64_t old = deaths;
        while (!deaths.compare_exchange_weak(old, guest_hash(old, (uint64_t)maker))) {}
    }
};

static std::exception_ptr boxes[4];
static std::atomic_flag locks[4] = {ATOMIC_FLAG_INIT, ATOMIC_FLAG_INIT, ATOMIC_FLAG_INIT, ATOMIC_FLAG_INIT};

static std::exception_ptr swap(unsigned box, std::exception_ptr other) {
    unsigned spins = 0;
    while (locks[box].test_and_set(std::memory_order_acquire)) race_relax(&spins);
    std::swap(boxes[box], other);
    locks[box].clear(std::memory_order_release);
    return other;
}

static uint64_t look_at(const std::exception_ptr &pointer, uint64_t seen) {
    if (!pointer) return guest_hash(seen, 0);
    try {
        std::rethrow_exception(pointer);
    } catch (const error &it) {
        return guest_hash(guest_hash(seen, (uint64_t)it.maker), (uint64_t)atoi(it.what()));
    }
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START, random = (uint64_t)self + 1;
    std::exception_ptr held;
    for (int i = 0; race_goes_on(i); i++) {
        unsigned box = (unsigned)(guest_random(&random) >> 62);
        if (i % 4 == 0) held = std::make_exception_ptr(error(self, i));
        auto copy = held;
        held = swap(box, copy);
        seen = look_at(held, seen);
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 2000);
    race_run("exceptions", work);
    for (auto &box : boxes) box = nullptr;
    CHECK(alive == 0);
    printf("deaths %016llx\n", (unsigned long long)deaths.load());
}
