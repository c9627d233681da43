// Keys made and deleted by several threads at once: which numbers they get.
#include "../small.h"

static uint64_t hashes[4];

static void *body(void *argument) {
    intptr_t me = (intptr_t)argument;
    hashes[me] = GUEST_HASH_START;
    for (int i = 0; i < 200; i++) {
        pthread_key_t key;
        CHECK(pthread_key_create(&key, NULL) == 0);
        hashes[me] = guest_hash(hashes[me], key);
        pthread_setspecific(key, &key);
        if (i % 8 == 0) sched_yield();
        CHECK(pthread_key_delete(key) == 0);
    }
    return NULL;
}

int main(void) {
    guest_run_threads(4, body);
    for (int i = 0; i < 4; i++) printf("%d: %016llx\n", i, (unsigned long long)hashes[i]);
}
