// Publication with grace periods: readers say when they hold nothing, the writer (thread 0) frees a version once every
// reader has said so since it was replaced.
#include "race.h"

#include <stdatomic.h>

enum { ALIVE = 0x5eed, AWAY = 0 };

struct version {
    int state;
    uint64_t number;
};

static _Atomic(struct version *) published;
static atomic_ullong epoch = 1;
static atomic_ullong readers[GUEST_THREADS_MAX]; // the epoch in which each began to read, or AWAY
static atomic_int reading;

static struct version *new_version(uint64_t number) {
    struct version *version = (struct version *)malloc(sizeof *version);
    CHECK(version != NULL);
    *version = (struct version){ALIVE, number};
    return version;
}

static void wait_for_readers(void) {
    unsigned long long now = atomic_fetch_add(&epoch, 1) + 1;
    for (int i = 1; i < race_threads; i++) {
        unsigned spins = 0;
        for (unsigned long long since; (since = atomic_load(&readers[i])) != AWAY && since < now;) race_relax(&spins);
    }
}

static uint64_t write_versions(void) {
    uint64_t number = 0;
    while (atomic_load(&reading) > 0) {
        struct version *old = atomic_exchange(&published, new_version(++number));
        wait_for_readers();
        old->state = 0;
        free(old);
    }
    return number;
}

static uint64_t work(int self) {
    if (self == 0) return write_versions();
    uint64_t seen = GUEST_HASH_START, last = 0;
    for (int i = 0; race_goes_on(i); i++) {
        atomic_store(&readers[self], atomic_load(&epoch));
        struct version *version = atomic_load_explicit(&published, memory_order_acquire);
        CHECK(version->state == ALIVE && version->number >= last);
        last = version->number;
        atomic_store_explicit(&readers[self], AWAY, memory_order_release);
        seen = guest_hash(seen, last);
    }
    atomic_fetch_sub(&reading, 1);
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 30000);
    published = new_version(0);
    reading = race_threads - 1;
    race_run("rcu", work);
    free(published);
    return 0;
}
