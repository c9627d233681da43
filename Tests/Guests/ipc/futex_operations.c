// Futex operations that change words: wake with an operation, requeue, locks with priority inheritance; futex2.
#include "guest.h"

#include <linux/futex.h>
#include <sys/syscall.h>

struct vector {
    uint64_t value, address;
    uint32_t flags, reserved;
};

static uint32_t first, second = 5, lock, target;

static void *waiter(void *unused) {
    (void)unused;
    return (void *)syscall(SYS_futex, &first, FUTEX_WAIT, 0, NULL, NULL, 0);
}

int main(void) {
    pthread_t threads[2];
    int tries = 0;
    // second += 3, and wake on second if it was above 4
    int operation = FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 4);
    long result = syscall(SYS_futex, &first, FUTEX_WAKE_OP, 1, 1, &second, operation);
    printf("wake with operation %ld: %u\n", result, second);
    for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, waiter, NULL) == 0);
    long moved = 0;
    while (moved < 2) {
        result = syscall(SYS_futex, &first, FUTEX_CMP_REQUEUE, 0, 9, &target, 0);
        CHECK(result >= 0);
        moved += result;
        if (result == 0) tries++, usleep(100);
    }
    printf("moved %ld after %d tries\n", moved, tries);
    printf("woken %ld\n", syscall(SYS_futex, &target, FUTEX_WAKE, 9, NULL, NULL, 0));
    for (int i = 0; i < 2; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    printf("requeue changed %ld errno %d\n", syscall(SYS_futex, &first, FUTEX_CMP_REQUEUE, 1, 1, &target, 7), errno);
    CHECK(syscall(SYS_futex, &lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0);
    printf("locked by %u of %d", lock, gettid());
    printf(", again %ld errno %d\n", syscall(SYS_futex, &lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), errno);
    CHECK(syscall(SYS_futex, &lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
    printf("free %u\n", lock);
    struct vector words[2] = {{0, (uintptr_t)&first, 2, 0}, {8, (uintptr_t)&second, 2, 0}};
    struct timespec until = guest_deadline(CLOCK_MONOTONIC, 1000000);
    result = syscall(449, words, 2, 0, &until, CLOCK_MONOTONIC);
    printf("waitv %ld errno %d\n", result, errno);
    words[1].value = 7;
    result = syscall(449, words, 2, 0, &until, CLOCK_MONOTONIC);
    printf("changed %ld errno %d\n", result, errno);
    result = syscall(455, &first, 0ul, ~0u, 2, &until, CLOCK_MONOTONIC);
    printf("futex_wait %ld errno %d", result, errno);
    printf(" wake %ld", syscall(454, &first, ~0u, 1, 2));
    printf(" requeue %ld at %llu\n", syscall(456, words, 0, 0, 0), guest_now());
    return 0;
}
