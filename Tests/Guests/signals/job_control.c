// A child stopped, continued and ended by its parent, which is told of each step.
#include "../small.h"

int main(void) {
    int status;
    pid_t child = fork_surely();
    if (child == 0) {
        raise(SIGSTOP);
        for (;;) rest(1000);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    printf("child %d stopped by itself: %d %d\n", (int)child, WIFSTOPPED(status), WSTOPSIG(status));
    for (int i = 0; i < 5; i++) {
        kill(child, SIGCONT);
        CHECK(waitpid(child, &status, WCONTINUED) == child);
        printf("continued: %d\n", WIFCONTINUED(status));
        rest(500);
        kill(child, SIGSTOP);
        CHECK(waitpid(child, &status, WUNTRACED) == child);
        printf("stopped: %d %d\n", WIFSTOPPED(status), WSTOPSIG(status));
    }
    kill(child, SIGTERM);
    kill(child, SIGCONT);
    CHECK(waitpid(child, &status, 0) == child);
    printf("ended by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    stamp("end");
}
