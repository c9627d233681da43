// A program that asks another allocator, found with dlopen, for memory, in several threads.
// link: -ldl
#include "../small.h"

#include <dlfcn.h>

static void *(*allocate)(size_t);
static void (*release)(void *);
static uint64_t hashes[4];

static void *body(void *argument) {
    intptr_t me = (intptr_t)argument;
    uint64_t random = 5 + (uint64_t)me;
    void *blocks[64] = {NULL};
    hashes[me] = GUEST_HASH_START;
    for (int i = 0; i < 2000; i++) {
        int which = (int)(guest_random(&random) % 64);
        if (blocks[which]) release(blocks[which]);
        blocks[which] = allocate(guest_random(&random) % 5000 + 1);
        memset(blocks[which], i, 1);
        hashes[me] = guest_hash(hashes[me], (uint64_t)which);
    }
    for (int i = 0; i < 64; i++) release(blocks[i]);
    return NULL;
}

int main(void) {
    void *library = dlopen("libjemalloc.so.2", RTLD_NOW);
    *(void **)&allocate = library ? dlsym(library, "malloc") : NULL;
    *(void **)&release = library ? dlsym(library, "free") : NULL;
    if (!allocate) allocate = malloc, release = free;
    guest_run_threads(4, body);
    for (int i = 0; i < 4; i++) printf("%d: %016llx\n", i, (unsigned long long)hashes[i]);
    stamp("end");
}
