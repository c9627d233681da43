// Loops that look at two flags in turn, without a pause: which one they see first, and after how many looks.
#include "race.h"

#include <stdatomic.h>

static atomic_int left[GUEST_THREADS_MAX], right[GUEST_THREADS_MAX];
static atomic_int posters;

// Thread 0 sets the flags of all others, drawn at random but for the schedule; they clear what they saw.
static uint64_t post(void) {
    uint64_t seen = GUEST_HASH_START, random = 1;
    for (int i = 0; race_goes_on(i); i++) {
        int to = 1 + (int)((guest_random(&random) >> 33) % (uint64_t)(race_threads - 1));
        atomic_int *first = random >> 50 & 1 ? left : right, *second = random >> 50 & 1 ? right : left;
        seen = guest_hash(seen, (uint64_t)atomic_exchange(&first[to], 1 + i));
        seen = guest_hash(seen, (uint64_t)atomic_exchange(&second[to], 1 + i));
    }
    atomic_store(&posters, 0);
    for (int i = 1; i < race_threads; i++) atomic_store(&left[i], -1);
    return seen;
}

static uint64_t work(int self) {
    if (self == 0) return post();
    uint64_t seen = GUEST_HASH_START;
    for (;;) {
        int a, b;
        uint64_t looks = 0;
        while (!(a = atomic_load(&left[self])) && !(b = atomic_load(&right[self]))) looks++;
        if (a < 0) return seen;
        seen = guest_hash(guest_hash(seen, looks), (uint64_t)a);
        if (a) {
            // The end may have come in between: it is not to be cleared.
            atomic_compare_exchange_strong(&left[self], &a, 0);
        } else {
            seen = guest_hash(seen, (uint64_t)b);
            atomic_store(&right[self], 0);
        }
    }
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 4000);
    posters = 1;
    if (race_threads < 2) race_threads = 2;
    race_run("flags", work);
    CHECK(posters == 0);
    return 0;
}
