// std::call_once and static variables of functions, in numbers: who was first, and what did he make?
#include "race.h"

#include <atomic>
#include <mutex>

enum { ONCES = 300 };

static std::once_flag flags[ONCES];
static int makers[ONCES];
static std::atomic<int> calls, made;

template <int Number> int *lazy(int self) {
    static int maker[2] = {self, made.fetch_add(1)};
    return maker;
}

template <int... Numbers> uint64_t lazies(int self, uint64_t seen, std::integer_sequence<int, Numbers...>) {
    for (int *maker : {lazy<Numbers>(self)...})
        seen = guest_hash(guest_hash(seen, (uint64_t)maker[0]), (uint64_t)maker[1]);
    return seen;
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    for (int i = 0; i < ONCES; i++) {
        race_goes_on(i);
        for (bool again = true; again;) {
            again = false;
            try {
                std::call_once(flags[i], [&] {
                    if (i % 8 == 0 && calls++ % 3 == 0) throw i;
                    makers[i] = self + 1;
                });
            } catch (int) {
                again = true;
                seen = guest_hash(seen, (uint64_t)i);
            }
        }
        CHECK(makers[i] > 0);
        seen = guest_hash(seen, (uint64_t)makers[i]);
    }
    return lazies(self, seen, std::make_integer_sequence<int, 100>());
}

int main(int count, char **arguments) {
    race_begin(count, arguments, ONCES);
    race_run("once", work);
    CHECK(made == 100);
}
