// A handler for SIGSYS, which castor uses itself: raised, sent by a thread and by kill.
#include "../small.h"

static volatile int hits, code;
static pthread_t receiver;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    code = info->si_code;
    getppid();
    hits = hits + 1;
}
static void *send(void *argument) {
    for (int i = 0; i < 10; i++) {
        pthread_kill(receiver, SIGSYS);
        rest(100);
    }
    return argument;
}

int main(void) {
    pthread_t thread;
    receiver = pthread_self();
    handle(SIGSYS, on_signal, SA_RESTART);
    raise(SIGSYS);
    printf("raise: %d code %d\n", (int)hits, (int)code);
    kill(getpid(), SIGSYS);
    printf("kill: %d code %d\n", (int)hits, (int)code);
    CHECK(pthread_create(&thread, NULL, send, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        rest(70);
        printf("%d ", (int)hits);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    printf("\n");
    signal(SIGSYS, SIG_IGN);
    raise(SIGSYS);
    stamp("ignored");
}
