// Values queued with real-time signals while the receiver computes and makes calls: none is lost, all come in order.
#include "../small.h"

enum { VALUES = 200 };
static volatile int received[VALUES], count;
static pthread_t receiver;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    received[count] = info->si_value.sival_int;
    count = count + 1;
}

static void *send(void *argument) {
    for (int i = 0; i < VALUES; i++) {
        union sigval value = {.sival_int = i * 3};
        CHECK(pthread_sigqueue(receiver, SIGRTMIN + 2, value) == 0);
        if (i % 16 == 0) rest(100);
    }
    return argument;
}

int main(void) {
    handle(SIGRTMIN + 2, on_signal, 0);
    receiver = pthread_self();
    pthread_t sender;
    CHECK(pthread_create(&sender, NULL, send, NULL) == 0);
    uint64_t order = GUEST_HASH_START;
    for (int calls = 0, seen = 0; count < VALUES; calls++) {
        spin(2000);
        getppid();
        if (count != seen) order = guest_hash(order, (uint64_t)calls << 32 | (unsigned)count);
        seen = count;
    }
    for (int i = 0; i < VALUES; i++) CHECK(received[i] == i * 3);
    CHECK(pthread_join(sender, NULL) == 0);
    printf("%d values, order %016llx\n", (int)count, (unsigned long long)order);
}
