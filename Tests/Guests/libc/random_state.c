// rand, random and drand48, whose state all threads share; random_r, whose is the caller's.
#include "../small.h"

static uint64_t hashes[4];

static void *body(void *argument) {
    intptr_t me = (intptr_t)argument;
    uint64_t hash = GUEST_HASH_START;
    for (int i = 0; i < 300; i++) {
        hash = guest_hash(hash, (uint64_t)rand());
        hash = guest_hash(hash, (uint64_t)random());
        hash = guest_hash(hash, (uint64_t)(drand48() * 1e9));
        hash = guest_hash(hash, (uint64_t)lrand48());
        if (i == 100 + me) srand((unsigned)i), srandom((unsigned)i), srand48(i);
    }
    hashes[me] = hash;
    return NULL;
}

int main(void) {
    guest_run_threads(4, body);
    for (int i = 0; i < 4; i++) printf("%d: %016llx\n", i, (unsigned long long)hashes[i]);
}
