// Read-write locks that prefer readers or writers.
#include "../small.h"

static pthread_rwlock_t locks[3];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t order = GUEST_HASH_START;

static void *body(void *argument) {
    for (int i = 0; i < 150; i++) {
        pthread_rwlock_t *lock = &locks[i % 3];
        bool writes = (i + (intptr_t)argument) % 4 == 0;
        int result = writes ? pthread_rwlock_wrlock(lock) : pthread_rwlock_rdlock(lock);
        pthread_mutex_lock(&mutex);
        order = guest_hash(order, (uint64_t)argument * 1000 + (uint64_t)(i * 2 + result));
        pthread_mutex_unlock(&mutex);
        pthread_rwlock_unlock(lock);
    }
    return NULL;
}

int main(void) {
    int kinds[] = {PTHREAD_RWLOCK_PREFER_READER_NP, PTHREAD_RWLOCK_PREFER_WRITER_NP,
                   PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP};
    for (int i = 0; i < 3; i++) {
        pthread_rwlockattr_t attributes;
        pthread_rwlockattr_init(&attributes);
        pthread_rwlockattr_setkind_np(&attributes, kinds[i]);
        pthread_rwlock_init(&locks[i], &attributes);
    }
    guest_run_threads(4, body);
    printf("order %016llx\n", (unsigned long long)order);
}
