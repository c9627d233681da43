// Counters of every size without a lock, so that they lose some: in globals, on the heap, on another thread's stack and
// in its thread-local storage.
#include "racing.h"

struct counters {
    uint8_t byte;
    int16_t small;
    uint32_t word;
    int64_t wide;
    unsigned __int128 widest;
    uint32_t many[37];
};
static struct counters global, *heap, *stack;
static __thread uint64_t local_count;
static uint64_t *counts[GUEST_THREADS_MAX];
static pthread_barrier_t met;

static uint64_t count(struct counters *c, int turn) {
    c->byte++;
    c->small = (int16_t)(c->small * 3 - turn);
    c->word += 7;
    c->wide -= c->word;
    c->widest = c->widest * 5 + c->byte;
    for (int i = turn % 7; i < 37; i += 5) c->many[i] += c->many[36 - i] + 1;
    return c->word ^ (uint64_t)c->wide ^ (uint64_t)(c->widest >> 64) ^ c->many[turn % 37];
}

static uint64_t work(int self) {
    struct counters own = {0};
    uint64_t seen = GUEST_HASH_START;
    if (self == 0) stack = &own;
    counts[self] = &local_count;
    pthread_barrier_wait(&met);
    for (int i = 0; race_goes_on(i); i++) {
        seen = guest_hash(seen, count(i % 3 == 0 ? &global : i % 3 == 1 ? heap : stack, i));
        uint64_t *other = counts[(self + 1) % race_threads];
        seen = guest_hash(seen, (*other)++ + local_count);
    }
    pthread_barrier_wait(&met);  // whose stack and storage the others use stays until they are done
    return seen;
}

int main(int count, char **arguments) {
    race_begin(count, arguments, 1200);
    heap = calloc(1, sizeof *heap);
    CHECK(heap && pthread_barrier_init(&met, NULL, (unsigned)race_threads) == 0);
    race_run("counters", work);
    SHOW_MEMORY("global", global);
    SHOW_MEMORY("heap", *heap);
    return 0;
}
