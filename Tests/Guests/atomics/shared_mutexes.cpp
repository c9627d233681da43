// std::shared_mutex and std::shared_timed_mutex beside atomics that are read outside of them.
#include "race.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <shared_mutex>

static std::shared_mutex mutex;
static std::shared_timed_mutex timed;
static uint64_t guarded[2]; // by each of them
static std::atomic<uint64_t> writes;
static std::atomic<int> readers;

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        if ((i + self) % 5 == 0) {
            std::unique_lock lock(mutex);
            guarded[0] = guest_hash(guarded[0], (uint64_t)self);
            writes++;
            CHECK(readers == 0);
        } else {
            std::shared_lock lock(mutex);
            readers++;
            seen = guest_hash(guest_hash(seen, guarded[0]), (uint64_t)readers);
            readers--;
        }
        if (i % 3) {
            std::shared_lock lock(timed, std::try_to_lock);
            seen = guest_hash(seen, lock ? guarded[1] : writes.load());
        } else if (timed.try_lock_for(std::chrono::microseconds(50))) {
            guarded[1] = guest_hash(guarded[1], (uint64_t)self);
            timed.unlock();
        }
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 6000);
    race_run("mutexes", work);
    printf("writes %llu %016llx %016llx\n", (unsigned long long)writes.load(), (unsigned long long)guarded[0],
           (unsigned long long)guarded[1]);
}
