// C++20's latches, barriers and semaphores, and threads that are asked to stop.
#include "race.h"

#include <atomic>
#include <barrier>
#include <chrono>
#include <latch>
#include <optional>
#include <semaphore>
#include <stop_token>
#include <thread>
#include <vector>

static std::optional<std::latch> start;
static std::counting_semaphore<4> places(2);
static std::binary_semaphore single(1);

// libstdc++ 12's acquire() may sleep for ever beside a semaphore that is free (PR libstdc++/104928), with castor or without.
template <typename Semaphore> static void take(Semaphore &semaphore) {
    while (!semaphore.try_acquire_for(std::chrono::milliseconds(1))) {}
}
static std::atomic<int> inside, most;
static uint64_t order = GUEST_HASH_START; // guarded by `single`
static uint64_t phases = GUEST_HASH_START;
static std::atomic<int> arrivals;

struct on_phase {
    void operator()() noexcept { phases = guest_hash(phases, (uint64_t)arrivals); }
};
static std::optional<std::barrier<on_phase>> meeting;

static void enter(int self, uint64_t &seen) {
    if (!places.try_acquire()) {
        seen = guest_hash(seen, 1);
        take(places);
    }
    int now = ++inside, before = most;
    while (before < now && !most.compare_exchange_weak(before, now)) {}
    take(single);
    order = guest_hash(order, (uint64_t)self);
    single.release();
    --inside;
    places.release();
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    start->arrive_and_wait();
    for (int i = 0; race_goes_on(i); i++) {
        enter(self, seen);
        seen = guest_hash(seen, (uint64_t)arrivals++);
        if (i % 16 == 0) meeting->arrive_and_wait();
    }
    meeting->arrive_and_drop();
    return seen;
}

// Counts until stopped; what the callbacks find depends on when that is.
static void stop_threads() {
    std::atomic<uint64_t> counted{0}, called{0};
    {
        std::vector<std::jthread> threads;
        std::stop_source all;
        for (int i = 0; i < race_threads; i++)
            threads.emplace_back([&, token = all.get_token()](std::stop_token own) {
                std::stop_callback callback(own, [&] { called += counted; });
                while (!own.stop_requested() && !token.stop_requested()) counted++, sched_yield();
            });
        for (int i = 0; i < race_threads / 2; i++) threads[(size_t)i].request_stop();
        while (counted < 100) sched_yield();
        all.request_stop();
    }
    printf("counted %llu called %llu\n", (unsigned long long)counted, (unsigned long long)called);
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 2000);
    start.emplace(race_threads);
    meeting.emplace(race_threads);
    race_run("meetings", work);
    CHECK(arrivals == race_threads * race_turns && inside == 0 && most <= 2);
    printf("order %016llx phases %016llx\n", (unsigned long long)order, (unsigned long long)phases);
    stop_threads();
}
