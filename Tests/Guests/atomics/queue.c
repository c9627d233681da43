// The queue of Michael and Scott. A pointer and its tag are changed together by a 16-byte compare-and-swap; they are read
// by two 8-byte loads, and the compare-and-swap finds out whether these belonged together. Nodes are never unmapped.
// link: -latomic
#include "race.h"

typedef unsigned __int128 pair; // pointer below, tag above

struct node {
    pair next;
    uint64_t value; // atomic: one that was dequeued and used again may still be read
};

static pair head, tail, unused;

static pair make(struct node *node, uint64_t tag) { return (pair)tag << 64 | (uintptr_t)node; }
static struct node *node_of(pair pair) { return (struct node *)(uintptr_t)pair; }
static uint64_t tag_of(pair pair) { return (uint64_t)(pair >> 64); }

static pair load(pair *place) {
    uint64_t *halves = (uint64_t *)place;
    uint64_t tag = __atomic_load_n(&halves[1], __ATOMIC_ACQUIRE);
    return (pair)tag << 64 | __atomic_load_n(&halves[0], __ATOMIC_ACQUIRE);
}

static bool swap(pair *place, pair from, struct node *to) {
    return __sync_bool_compare_and_swap(place, from, make(to, tag_of(from) + 1));
}

// Keeps the tag: a late compare-and-swap on the node's former life must fail.
static void set_next(struct node *node, struct node *next) {
    while (!swap(&node->next, load(&node->next), next)) {}
}

static void put_back(struct node *node) {
    for (;;) {
        pair first = load(&unused);
        set_next(node, node_of(first));
        if (swap(&unused, first, node)) return;
    }
}

static struct node *take(void) {
    for (;;) {
        pair first = load(&unused);
        struct node *node = node_of(first);
        if (!node) return (struct node *)aligned_alloc(16, sizeof *node);
        if (swap(&unused, first, node_of(load(&node->next)))) return node;
    }
}

static struct node *new_node(uint64_t value) {
    struct node *node = take();
    CHECK(node != NULL);
    set_next(node, NULL);
    __atomic_store_n(&node->value, value, __ATOMIC_RELAXED);
    return node;
}

static void enqueue(uint64_t value) {
    struct node *node = new_node(value);
    for (;;) {
        pair last = load(&tail), next = load(&node_of(last)->next);
        if (last != load(&tail)) continue;
        if (node_of(next)) {
            swap(&tail, last, node_of(next));
        } else if (swap(&node_of(last)->next, next, node)) {
            swap(&tail, last, node);
            return;
        }
    }
}

static bool dequeue(uint64_t *value) {
    for (;;) {
        pair first = load(&head), last = load(&tail), next = load(&node_of(first)->next);
        if (first != load(&head)) continue;
        if (node_of(first) == node_of(last)) {
            if (!node_of(next)) return false;
            swap(&tail, last, node_of(next));
        } else if (node_of(next)) {
            *value = __atomic_load_n(&node_of(next)->value, __ATOMIC_RELAXED);
            if (!swap(&head, first, node_of(next))) continue;
            put_back(node_of(first));
            return true;
        }
    }
}

static uint64_t taken_sum, taken_count;

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START, sum = 0, got = 0, last[GUEST_THREADS_MAX] = {0};
    for (int i = 1; race_goes_on(i - 1); i++) {
        uint64_t value;
        enqueue((uint64_t)self << 32 | (uint64_t)i);
        if (i % 3 == 0 || !dequeue(&value)) continue;
        // What one thread put in comes out in its order.
        CHECK((uint32_t)value > last[value >> 32]);
        last[value >> 32] = (uint32_t)value;
        seen = guest_hash(seen, value);
        sum += value, got++;
    }
    __atomic_fetch_add(&taken_sum, sum, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&taken_count, got, __ATOMIC_SEQ_CST);
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 12000);
    struct node *dummy = (struct node *)aligned_alloc(16, sizeof *dummy);
    *dummy = (struct node){0, 0};
    head = tail = make(dummy, 0);
    race_run("queue", work);
    uint64_t value, rest = GUEST_HASH_START;
    while (dequeue(&value)) rest = guest_hash(rest, value), taken_sum += value, taken_count++;
    uint64_t n = (uint64_t)race_turns, t = (uint64_t)race_threads;
    CHECK(taken_count == n * t);
    CHECK(taken_sum == t * n * (n + 1) / 2 + (n * t * (t - 1) / 2 << 32));
    printf("rest %016llx\n", (unsigned long long)rest);
    return 0;
}
