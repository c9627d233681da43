// Thread-specific data: destructors that set values again, several rounds, in several threads.
#include "../small.h"

static pthread_key_t keys[4];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t order = GUEST_HASH_START;

static void destroy(void *value) {
    uint64_t rounds = (uint64_t)value % 10;
    pthread_mutex_lock(&lock);
    order = guest_hash(order, (uint64_t)value);
    pthread_mutex_unlock(&lock);
    if (rounds > 1) pthread_setspecific(keys[(uint64_t)value / 10 % 4], (void *)((uint64_t)value - 1));
}
static void *body(void *argument) {
    for (uint64_t i = 0; i < 4; i++) pthread_setspecific(keys[i], (void *)((uint64_t)argument * 100 + i * 10 + 3));
    sched_yield();
    return NULL;
}

int main(void) {
    for (int i = 0; i < 4; i++) CHECK(pthread_key_create(&keys[i], destroy) == 0);
    for (int i = 0; i < 5; i++) guest_run_threads(4, body);
    for (int i = 0; i < 4; i++) CHECK(pthread_key_delete(keys[i]) == 0);
    printf("order %016llx\n", (unsigned long long)order);
}
