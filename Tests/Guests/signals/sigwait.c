// sigwait, sigwaitinfo and sigtimedwait in several threads: who gets which signal is up to the kernel.
#include "../small.h"

enum { THREADS = 3, SIGNALS = 60 };
static uint64_t order[THREADS];
static int taken[THREADS];

static void *body(void *argument) {
    intptr_t me = (intptr_t)argument;
    sigset_t set = set_of(SIGRTMIN);
    sigaddset(&set, SIGRTMIN + 1);
    order[me] = GUEST_HASH_START;
    for (;;) {
        siginfo_t info = {0};
        int signal = 0;
        if (me == 0) {
            CHECK(sigwait(&set, &signal) == 0);
        } else if (me == 1) {
            while ((signal = sigwaitinfo(&set, &info)) < 0) {}
        } else {
            signal = sigtimedwait(&set, &info, &(struct timespec){.tv_nsec = 200000});
            if (signal < 0) {
                CHECK(errno == EAGAIN || errno == EINTR); // another one took it
                order[me] = guest_hash(order[me], 1);
                continue;
            }
        }
        if (signal == SIGRTMIN + 1) return NULL;
        order[me] = guest_hash(order[me], (uint64_t)info.si_value.sival_int);
        taken[me]++;
    }
}

int main(void) {
    block(SIGRTMIN);
    block(SIGRTMIN + 1);
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, body, (void *)i) == 0);
    for (int i = 0; i < SIGNALS; i++) {
        CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}) == 0);
        if (i % 8 == 0) rest(300);
    }
    for (int i = 0; i < THREADS; i++) CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){0}) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    int all = 0;
    for (int i = 0; i < THREADS; all += taken[i++])
        printf("%d: %d order %016llx\n", i, taken[i], (unsigned long long)order[i]);
    CHECK(all == SIGNALS);
}
