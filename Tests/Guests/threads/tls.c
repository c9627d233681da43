// Thread-local variables, initialised, zero and in large blocks; their addresses.
#include "../small.h"

static __thread int counter = 5;
static __thread char large[20000];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t order = GUEST_HASH_START;

static void *body(void *argument) {
    for (int i = 0; i < 50; i++) {
        pthread_mutex_lock(&lock);
        order = guest_hash(order, (uint64_t)&counter ^ (uint64_t)(counter++ + large[i]++) ^ (uint64_t)argument);
        pthread_mutex_unlock(&lock);
    }
    CHECK(counter == 55);
    return NULL;
}

int main(void) {
    for (int i = 0; i < 4; i++) guest_run_threads(5, body);
    printf("order %016llx\n", (unsigned long long)order);
}
