// The allocator from many threads, with blocks freed by other threads than the ones that allocated them.
// Prints every k-th address and usable size: where a block lies depends on the order of the calls.
#include "guest.h"

#include <malloc.h>

enum { SLOTS = 256, SHOWN = 8, LARGE = 300000 };

struct slot {
    void *block;
    size_t size;
    unsigned char fill;
};

struct outcome {
    const void *shown[SHOWN];
    size_t usable[SHOWN];
    int count;
    uint64_t addresses; // hash of all
    uint64_t contents;
};

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot slots[SLOTS]; // slots_lock
static struct outcome outcomes[GUEST_THREADS_MAX];
static int iterations;

static size_t choose_size(uint64_t choice) {
    switch (choice % 16) {
    case 0: return 4000 + choice / 16 % 60000;
    case 1: return choice / 16 % 8 == 0 ? LARGE : 1; // now and then one that is mapped on its own
    case 2: return 0;
    default: return 1 + choice / 16 % 512;
    }
}

static void check_fill(const struct slot *slot) {
    const unsigned char *bytes = slot->block;
    for (size_t i = 0; i < slot->size; i += 61) CHECK(bytes[i] == slot->fill);
    if (slot->size > 0) CHECK(bytes[slot->size - 1] == slot->fill);
}

static void *allocate(uint64_t choice, size_t *size) {
    size_t alignment = (size_t)16 << (choice / 8 % 6);
    void *block = NULL;
    switch (choice % 8) {
    case 0: {
        unsigned char *zeros = calloc(1 + *size / 8, 8);
        *size = (1 + *size / 8) * 8;
        for (size_t i = 0; i < *size; i++) CHECK(zeros[i] == 0);
        return zeros;
    }
    case 1:
        *size = (*size + alignment) & ~(alignment - 1);
        block = aligned_alloc(alignment, *size);
        CHECK((uintptr_t)block % alignment == 0);
        return block;
    case 2:
        CHECK(posix_memalign(&block, alignment, *size) == 0);
        CHECK((uintptr_t)block % alignment == 0);
        return block;
    case 3: return memalign(alignment, *size);
    case 4: return reallocarray(NULL, 1 + *size / 4, 4);
    case 5: {
        // Grown in two steps; the old contents must still be there.
        unsigned char *bytes = malloc(16);
        memset(bytes, 0xa5, 16);
        *size += 64;
        bytes = realloc(bytes, *size);
        for (int i = 0; i < 16; i++) CHECK(bytes[i] == 0xa5);
        return bytes;
    }
    default: return malloc(*size);
    }
}

static void *memory_thread(void *argument) {
    int thread = (int)(intptr_t)argument;
    struct outcome *outcome = &outcomes[thread];
    outcome->addresses = outcome->contents = GUEST_HASH_START;
    int every = iterations / SHOWN > 0 ? iterations / SHOWN : 1;
    uint64_t random = (uint64_t)thread + 1;
    for (int i = 0; i < iterations; i++) {
        uint64_t choice = guest_random(&random) >> 16;
        struct slot mine = {.size = choose_size(choice), .fill = (unsigned char)(thread * 31 + i)};
        mine.block = allocate(choice / 4096, &mine.size);
        CHECK(mine.block);
        size_t usable = malloc_usable_size(mine.block);
        CHECK(usable >= mine.size);
        memset(mine.block, mine.fill, mine.size);
        outcome->addresses = guest_hash(outcome->addresses, (uintptr_t)mine.block);
        if (i % every == 0 && outcome->count < SHOWN) {
            outcome->shown[outcome->count] = mine.block;
            outcome->usable[outcome->count++] = usable;
        }
        pthread_mutex_lock(&slots_lock);
        struct slot *slot = &slots[choice / 256 % SLOTS];
        struct slot other = *slot;
        *slot = mine;
        pthread_mutex_unlock(&slots_lock);
        if (!other.block) continue;
        check_fill(&other);
        outcome->contents = guest_hash(outcome->contents, other.fill);
        free(other.block);
    }
    return NULL;
}

int main(int count, char **arguments) {
    int threads = guest_threads(count, arguments);
    iterations = guest_iterations(count, arguments, 5000);
    guest_run_threads(threads, memory_thread);
    for (int i = 0; i < threads; i++) {
        printf("thread %d addresses %016llx contents %016llx\n", i, (unsigned long long)outcomes[i].addresses,
               (unsigned long long)outcomes[i].contents);
        for (int j = 0; j < outcomes[i].count; j++)
            printf("  %p usable %zu\n", outcomes[i].shown[j], outcomes[i].usable[j]);
    }
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].block) check_fill(&slots[i]);
        free(slots[i].block);
    }
    return 0;
}
