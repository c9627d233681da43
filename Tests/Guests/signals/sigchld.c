// Children collected by the handler of SIGCHLD while the parent works.
#include "../small.h"

static volatile sig_atomic_t collected;
static volatile int trace[32];

static void on_child(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    int status, error = errno;
    pid_t child;
    while ((child = waitpid(-1, &status, WNOHANG)) > 0) {
        trace[collected] = (int)child * 256 + WEXITSTATUS(status);
        collected = collected + 1;
    }
    errno = error;
}

int main(void) {
    handle(SIGCHLD, on_child, SA_RESTART | SA_NOCLDSTOP);
    for (int i = 0; i < 8; i++) {
        pid_t child = fork_surely();
        CHECK(child >= 0);
        if (child == 0) {
            rest(500 * (8 - i));
            _exit(i + 1);
        }
    }
    int calls = 0;
    for (; collected < 8; calls++) getppid();
    for (int i = 0; i < 8; i++) printf("%d: child %d status %d\n", i, trace[i] / 256, trace[i] % 256);
    printf("calls %d\n", calls);
}
