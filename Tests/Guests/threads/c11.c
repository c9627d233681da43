// C11's threads, mutexes, condition variables, thread-specific storage and call_once.
#include "../small.h"

#include <threads.h>

static mtx_t plain, timed;
static cnd_t changed;
static tss_t key;
static once_flag once = ONCE_FLAG_INIT;
static int turns, runs, destroyed, late;
static uint64_t order = GUEST_HASH_START;

static void routine(void) { runs++; }
static void destroy(void *value) {
    mtx_lock(&plain);
    destroyed += (int)(intptr_t)value;
    mtx_unlock(&plain);
}
static int body(void *argument) {
    call_once(&once, routine);
    tss_set(key, argument);
    for (int i = 0; i < 50; i++) {
        mtx_lock(&plain);
        order = guest_hash(order, (uint64_t)argument);
        turns++;
        cnd_broadcast(&changed);
        mtx_unlock(&plain);
        struct timespec deadline = guest_deadline(CLOCK_REALTIME, 50000);
        int result = mtx_timedlock(&timed, &deadline);
        if (result == thrd_success) {
            thrd_sleep(&(struct timespec){.tv_nsec = 20000}, NULL);
            mtx_unlock(&timed);
        }
        mtx_lock(&plain);
        late += result == thrd_timedout;
        mtx_unlock(&plain);
        if (mtx_trylock(&timed) == thrd_success) mtx_unlock(&timed);
        thrd_yield();
    }
    return (int)(intptr_t)argument * 7;
}

int main(void) {
    mtx_init(&plain, mtx_plain), mtx_init(&timed, mtx_timed), cnd_init(&changed);
    CHECK(tss_create(&key, destroy) == thrd_success);
    thrd_t threads[4];
    for (intptr_t i = 0; i < 4; i++) CHECK(thrd_create(&threads[i], body, (void *)(i + 1)) == thrd_success);
    mtx_lock(&plain);
    while (turns < 100) cnd_wait(&changed, &plain);
    printf("turns %d\n", turns);
    struct timespec deadline = guest_deadline(CLOCK_REALTIME, 100000);
    printf("timed %d turns %d\n", cnd_timedwait(&changed, &plain, &deadline), turns);
    mtx_unlock(&plain);
    int sum = 0, result;
    for (int i = 0; i < 4; sum += result, i++) CHECK(thrd_join(threads[i], &result) == thrd_success);
    printf("runs %d sum %d destroyed %d late %d order %016llx\n", runs, sum, destroyed, late, (unsigned long long)order);
}
