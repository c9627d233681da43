// Futexes by syscall(): waiting, waking, bits, timeouts, between threads that share words only through them.
#include "guest.h"

#include <linux/futex.h>
#include <sys/syscall.h>

static uint32_t word, done;

static long futex(uint32_t *at, int operation, uint32_t value, const void *time, uint32_t *second, uint32_t third) {
    return syscall(SYS_futex, at, operation, value, time, second, third);
}

static void *sleeper(void *argument) {
    uint32_t bits = 1u << (intptr_t)argument;
    long result = futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, bits);
    return (void *)(intptr_t)(result < 0 ? errno : 0);
}

int main(void) {
    struct timespec time = {0, 1000000};
    unsigned long long start = guest_now();
    long result = futex(&done, FUTEX_WAIT, 0, &time, NULL, 0);
    printf("in vain %ld errno %d after %llu ns\n", result, errno, guest_now() - start);
    result = futex(&done, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
    printf("changed %ld errno %d\n", result, errno);
    time = guest_deadline(CLOCK_REALTIME, 1000000);
    result = futex(&done, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &time, NULL, 1);
    printf("until %ld errno %d\n", result, errno);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, sleeper, (void *)(intptr_t)i) == 0);
    int tries = 0;
    for (int i = 2; i >= 0; i--)
        while (futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 1u << i) == 0) tries++, usleep(100);
    for (int i = 0; i < 3; i++) {
        void *ended;
        CHECK(pthread_join(threads[i], &ended) == 0);
        printf("%d woken, %d\n", i, (int)(intptr_t)ended);
    }
    printf("after %d tries at %p, nobody %ld\n", tries, (void *)&word, futex(&word, FUTEX_WAKE, 9, NULL, NULL, 0));
    return 0;
}
