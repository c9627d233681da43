// Shared pointers that several threads replace and copy: std::atomic<std::shared_ptr>, the older free functions, weak
// pointers that lose the race against the last owner, and counts that must come out even.
#include "race.h"

#include <atomic>
#include <memory>

static std::atomic<int> alive;
static std::atomic<uint64_t> deaths{GUEST_HASH_START};

struct object {
    int maker, turn;
    object(int maker, int turn) : maker(maker), turn(turn) { alive++; }
    ~object() {
        alive--;
        uint64_t old = deaths;
        while (!deaths.compare_exchange_weak(old, guest_hash(old, (uint64_t)maker << 32 | (uint64_t)turn))) {}
    }
};

static std::shared_ptr<object> older;
#if __cpp_lib_atomic_shared_ptr
static std::atomic<std::shared_ptr<object>> newer;
#endif

static uint64_t seen_of(const std::shared_ptr<object> &pointer, uint64_t seen) {
    if (!pointer) return guest_hash(seen, 0);
    return guest_hash(seen, (uint64_t)pointer->maker << 32 | (uint64_t)pointer->turn);
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    std::weak_ptr<object> weak;
    for (int i = 0; race_goes_on(i); i++) {
        auto mine = std::make_shared<object>(self, i);
        auto expected = std::atomic_load(&older);
        seen = seen_of(expected, seen);
        if (i % 3 == 0) std::atomic_store(&older, mine);
        else seen = guest_hash(seen, std::atomic_compare_exchange_strong(&older, &expected, mine));
        seen = seen_of(weak.lock(), seen);
        weak = expected;
#if __cpp_lib_atomic_shared_ptr
        if (i % 2) seen = seen_of(newer.exchange(expected), seen);
        else seen = seen_of(newer.load(), seen);
#endif
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 3000);
    race_run("pointer", work);
    older.reset();
#if __cpp_lib_atomic_shared_ptr
    newer.store(nullptr);
#endif
    CHECK(alive == 0);
    printf("deaths %016llx\n", (unsigned long long)deaths.load());
}
