// Treiber's stack over an array: index and tag in one word. Threads move nodes between two stacks.
#include "race.h"

#include <stdatomic.h>

enum { NODES = 256, NONE = 0xffffffff };

static struct {
    _Atomic uint32_t next;
    uint32_t moves; // its owner's, whoever took it off a stack
} nodes[NODES];
static _Atomic uint64_t stacks[2] = {NONE, NONE};

static uint64_t successor(uint64_t top, uint32_t index) { return ((top >> 32) + 1) << 32 | index; }

static void push(int stack, uint32_t index) {
    uint64_t top = atomic_load(&stacks[stack]);
    do atomic_store_explicit(&nodes[index].next, (uint32_t)top, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&stacks[stack], &top, successor(top, index)));
}

static uint32_t pop(int stack) {
    uint64_t top = atomic_load(&stacks[stack]);
    while ((uint32_t)top != NONE) {
        uint32_t next = atomic_load_explicit(&nodes[(uint32_t)top].next, memory_order_relaxed);
        if (atomic_compare_exchange_weak(&stacks[stack], &top, successor(top, next))) break;
    }
    return (uint32_t)top;
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START, random = (uint64_t)self + 1;
    for (int i = 0; race_goes_on(i); i++) {
        int from = (int)(guest_random(&random) >> 40 & 1);
        uint32_t index = pop(from);
        seen = guest_hash(seen, index);
        if (index == NONE) continue;
        nodes[index].moves++;
        push(!from, index);
    }
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 30000);
    for (uint32_t i = 0; i < NODES; i++) push((int)i % 2, i);
    race_run("stack", work);
    uint64_t order = GUEST_HASH_START;
    int left = 0;
    for (int stack = 0; stack < 2; stack++) {
        for (uint32_t index; (index = pop(stack)) != NONE; left++)
            order = guest_hash(guest_hash(order, index), nodes[index].moves);
    }
    CHECK(left == NODES);
    printf("left %016llx\n", (unsigned long long)order);
    return 0;
}
