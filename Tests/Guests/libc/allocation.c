// The malloc family: alignments, huge and empty blocks, memory of one thread freed in another; all addresses.
#include "../small.h"

#include <malloc.h>

static void *slots[64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t hashes[4];

static void *body(void *argument) {
    intptr_t me = (intptr_t)argument;
    uint64_t random = 3 + (uint64_t)me, hash = GUEST_HASH_START;
    for (int i = 0; i < 800; i++) {
        uint64_t which = guest_random(&random) % 64, size = guest_random(&random) % 9000;
        void *block = NULL;
        switch (i % 6) {
        case 0: block = malloc(size); break;
        case 1: block = calloc(size / 8, 8); break;
        case 2: block = aligned_alloc(64, size & ~63ul); break;
        case 3: posix_memalign(&block, 256, size); break;
        case 4: block = reallocarray(NULL, size, 2); break;
        default: block = realloc(malloc(17), size + 1); break;
        }
        hash = guest_hash(hash, (uint64_t)block + malloc_usable_size(block));
        pthread_mutex_lock(&lock);
        void *old = slots[which];
        slots[which] = block;
        pthread_mutex_unlock(&lock);
        hash = guest_hash(hash, (uint64_t)old);
        free(old);
    }
    hashes[me] = hash;
    return NULL;
}

int main(void) {
    guest_run_threads(4, body);
    for (int i = 0; i < 4; i++) printf("%d: %016llx\n", i, (unsigned long long)hashes[i]);
    void *huge = malloc(300u << 20), *none = malloc(0), *fails = malloc(SIZE_MAX / 2);
    printf("%p %p %p %d\n", huge, none, fails, errno);
    char *zeros = calloc(1 << 20, 1);
    for (int i = 0; i < 1 << 20; i += 4096) CHECK(zeros[i] == 0);
    free(huge), free(none), free(zeros);
    mallopt(M_MMAP_THRESHOLD, 1 << 16);
    stamp("end");
}
