// Spinlocks by hand, test-and-set and ticket. Each guards a hash of its holders in their order.
#include "race.h"

#include <stdatomic.h>

static atomic_int taken;
static atomic_uint next_ticket, serving;
// Each guarded by the lock of its name.
static uint64_t set_order = GUEST_HASH_START, ticket_order = GUEST_HASH_START;
static int set_holds, ticket_holds;

static uint64_t test_and_set(int self) {
    uint64_t waited = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        unsigned spins = 0;
        while (atomic_exchange_explicit(&taken, 1, memory_order_acquire))
            while (atomic_load_explicit(&taken, memory_order_relaxed)) race_relax(&spins);
        set_order = guest_hash(set_order, (uint64_t)self);
        waited = guest_hash(waited, (uint64_t)set_holds++);
        atomic_store_explicit(&taken, 0, memory_order_release);
    }
    return waited;
}

static uint64_t ticket(int self) {
    uint64_t waited = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        unsigned spins = 0;
        unsigned mine = atomic_fetch_add_explicit(&next_ticket, 1, memory_order_relaxed);
        while (atomic_load_explicit(&serving, memory_order_acquire) != mine) race_relax(&spins);
        CHECK(ticket_holds == (int)mine);
        ticket_order = guest_hash(ticket_order, (uint64_t)self);
        waited = guest_hash(waited, (uint64_t)ticket_holds++);
        atomic_store_explicit(&serving, mine + 1, memory_order_release);
    }
    return waited;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 20000);
    race_run("set", test_and_set);
    race_run("ticket", ticket);
    CHECK(set_holds == race_threads * race_turns && ticket_holds == set_holds);
    printf("orders %016llx %016llx\n", (unsigned long long)set_order, (unsigned long long)ticket_order);
    return 0;
}
