// Variables that a thread has to itself for long rows of operations, until another takes them away in the middle of one. How
// far each row came is the transcript. What an owner wrote to plain memory before it opened its variable the taker reads: if
// it came too early, on replay, it would find what was there before.
#include "race.h"

#include <stdatomic.h>

enum { WORDS = 32, ROW = 400 };
// What a variable says; below CLOSED it is open, and counts.
#define CLOSED (1ull << 40)
#define TAKEN (1ull << 41)
#define RETURNED (1ull << 42)

static struct {
    _Alignas(64) _Atomic uint64_t word;
    uint64_t plain[WORDS];
} own[GUEST_THREADS_MAX];

static bool is_open(uint64_t word) { return word < CLOSED; }

// One operation of a row: how depends on the row. Gives what the variable said.
static uint64_t operate(_Atomic uint64_t *word, int kind) {
    if (kind == 0) return atomic_load_explicit(word, memory_order_acquire);
    if (kind == 1) return atomic_fetch_add(word, 1);
    uint64_t now = atomic_load(word);
    if (is_open(now)) atomic_compare_exchange_strong(word, &now, now + 1);
    return now;
}

static void open_own(int self, uint64_t round) {
    for (int i = 0; i < WORDS; i++) own[self].plain[i] = round * WORDS + (uint64_t)i;
    atomic_store_explicit(&own[self].word, 0, memory_order_release);
}

static void wait_until_returned(int self) {
    unsigned spins = 0;
    while (!(atomic_load(&own[self].word) & RETURNED)) race_relax(&spins);
}

static uint64_t take(int other) {
    uint64_t word = atomic_load(&own[other].word);
    if (!is_open(word) || !atomic_compare_exchange_strong(&own[other].word, &word, TAKEN)) return 0;
    uint64_t first = own[other].plain[0];
    for (int i = 1; i < WORDS; i++) CHECK(own[other].plain[i] == first + (uint64_t)i);
    atomic_store(&own[other].word, RETURNED);
    return first;
}

static uint64_t work(int self) {
    uint64_t hash = GUEST_HASH_START, random = (uint64_t)self + 7, round = 0;
    open_own(self, round++);
    for (int i = 0; race_goes_on(i); i++) {
        for (int done = 0; done < ROW; done++) {
            if (is_open(operate(&own[self].word, i % 3))) continue;
            hash = guest_hash(hash, (uint64_t)done);
            wait_until_returned(self);
            open_own(self, round++);
        }
        int other = (int)((guest_random(&random) >> 33) % (uint64_t)race_threads);
        if (other != self) hash = guest_hash(hash, take(other));
    }
    uint64_t word = atomic_load(&own[self].word);
    while (is_open(word) && !atomic_compare_exchange_strong(&own[self].word, &word, CLOSED)) {}
    if (!is_open(word)) wait_until_returned(self);
    return hash;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 12000);
    for (int i = 0; i < GUEST_THREADS_MAX; i++) atomic_init(&own[i].word, CLOSED);
    race_run("owners", work);
    return 0;
}
