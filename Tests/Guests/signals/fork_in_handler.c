// A handler that forks and waits for its child.
#include "../small.h"

static volatile int children, sum;

static void on_alarm(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    int status = 0;
    pid_t child = fork_surely();
    if (child == 0) _exit(children + 3);
    while (waitpid(child, &status, 0) < 0) {}
    children = children + 1;
    sum = sum + (int)child + WEXITSTATUS(status);
}

int main(void) {
    handle(SIGALRM, on_alarm, SA_RESTART);
    every(1000);
    int calls = 0;
    for (; children < 8; calls++) getppid();
    every(0);
    printf("children %d sum %d calls %d\n", (int)children, (int)sum, calls);
}
