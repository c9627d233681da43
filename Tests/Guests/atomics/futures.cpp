// Futures, promises, packaged tasks and std::async: their state is an atomic on which the kernel waits.
#include "race.h"

#include <atomic>
#include <future>
#include <stdexcept>
#include <vector>

static std::atomic<int> started, ended;

static uint64_t task(int number) {
    int order = started++;
    for (int i = 0; i < number % 7; i++) sched_yield();
    if (number % 11 == 5) {
        ended++;
        throw std::runtime_error("no");
    }
    return (uint64_t)order << 32 | (uint64_t)ended++;
}

static uint64_t value_of(std::future<uint64_t> &future, uint64_t seen) {
    seen = guest_hash(seen, future.wait_for(std::chrono::seconds(0)) == std::future_status::ready);
    try {
        return guest_hash(seen, future.get());
    } catch (const std::runtime_error &) {
        return guest_hash(seen, 1);
    }
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        auto eager = std::async(std::launch::async, task, self + i);
        auto lazy = std::async(std::launch::deferred, task, i);
        std::packaged_task<uint64_t(int)> package(task);
        auto packaged = package.get_future();
        std::promise<uint64_t> promise;
        auto promised = promise.get_future().share();
        std::thread other([&] {
            package(i);
            promise.set_value((uint64_t)started);
        });
        for (auto *future : {&eager, &packaged}) seen = value_of(*future, seen);
        try {
            seen = guest_hash(seen, lazy.get());
        } catch (const std::runtime_error &) {
        }
        seen = guest_hash(seen, promised.get());
        other.join();
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 200);
    race_run("futures", work);
    CHECK(started == 3 * race_threads * race_turns && started == ended);
}
