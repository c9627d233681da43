// SA_RESETHAND: the disposition is the default's when the handler runs, whoever sent the signal.
#include "../small.h"

static volatile sig_atomic_t hits, was_default;
static pthread_t receiver;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)info, (void)context;
    struct sigaction now;
    sigaction(signal, NULL, &now);
    hits = hits + 1;
    was_default = now.sa_handler == SIG_DFL;
}

static void *send(void *argument) {
    pthread_kill(receiver, SIGUSR1);
    return argument;
}

int main(void) {
    receiver = pthread_self();
    for (int i = 0; i < 20; i++) {
        int calls = 0;
        pthread_t thread;
        handle(SIGUSR1, on_signal, SA_RESETHAND);
        CHECK(pthread_create(&thread, NULL, send, NULL) == 0);
        for (; hits == i; calls++) spin(200), getppid();
        CHECK(pthread_join(thread, NULL) == 0);
        printf("%d: default %d, calls %d\n", i, (int)was_default, calls);
    }
    pid_t child = fork_surely();
    if (child == 0) {
        handle(SIGTERM, on_signal, SA_RESETHAND);
        raise(SIGTERM);
        raise(SIGTERM);
        _exit(1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    printf("child ended by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}
