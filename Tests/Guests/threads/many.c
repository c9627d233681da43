// Thousands of short threads, some of which make more.
#include "../small.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t order = GUEST_HASH_START;

static void *body(void *argument) {
    pthread_t thread;
    pthread_mutex_lock(&lock);
    order = guest_hash(order, (uint64_t)argument ^ (uint64_t)pthread_self());
    pthread_mutex_unlock(&lock);
    if ((intptr_t)argument % 5 == 0) {
        CHECK(pthread_create(&thread, NULL, body, (void *)((intptr_t)argument + 1)) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return NULL;
}

int main(void) {
    for (int i = 0; i < 40; i++) guest_run_threads(40, body);
    printf("order %016llx\n", (unsigned long long)order);
}
