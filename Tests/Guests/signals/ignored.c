// Ignored signals come to nobody and interrupt nothing.
#include "../small.h"

static pthread_t receiver;

static void *send(void *argument) {
    for (int i = 0; i < 20; i++) {
        pthread_kill(receiver, SIGUSR1);
        kill(getpid(), SIGHUP);
        rest(100);
    }
    return argument;
}

int main(void) {
    pthread_t thread;
    receiver = pthread_self();
    signal(SIGUSR1, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    CHECK(pthread_create(&thread, NULL, send, NULL) == 0);
    struct timespec left = {0};
    int result = nanosleep(&(struct timespec){.tv_nsec = 5000000}, &left);
    printf("sleep %d left %ld\n", result, left.tv_nsec);
    CHECK(pthread_join(thread, NULL) == 0);
    pid_t child = fork_surely();
    if (child == 0) _exit(1);
    result = waitpid(child, NULL, 0);
    printf("wait for %d: %d %s\n", (int)child, result, strerror(errno));
    stamp("end");
}
