// A handler taken away while signals come: what came before it was handled, what came after it is ignored.
#include "../small.h"

static volatile sig_atomic_t hits;
static pthread_t receiver;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    hits = hits + 1;
}
static void *send(void *argument) {
    for (int i = 0; i < 200; i++) {
        pthread_kill(receiver, SIGWINCH); // ignored by default
        spin(1000);
    }
    return argument;
}

int main(void) {
    pthread_t thread;
    receiver = pthread_self();
    uint64_t order = GUEST_HASH_START;
    CHECK(pthread_create(&thread, NULL, send, NULL) == 0);
    for (int i = 0; i < 300; i++) {
        handle(SIGWINCH, on_signal, 0);
        spin(200);
        signal(SIGWINCH, i % 2 ? SIG_DFL : SIG_IGN);
        int kept = hits;
        getppid();
        CHECK(kept == hits);
        order = guest_hash(order, (uint64_t)kept);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    printf("hits %d order %016llx\n", (int)hits, (unsigned long long)order);
}
