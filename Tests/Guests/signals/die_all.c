// Children that end by every kind of signal: sent by themselves, by the parent, by a fault, by abort.
#include "../small.h"

#include <sys/resource.h>

static void tell(const char *how, pid_t child) {
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    printf("%s: child %d %s %d\n", how, (int)child, WIFSIGNALED(status) ? "signal" : "exit",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    fflush(stdout);
}

int main(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM, SIGUSR1, SIGALRM, SIGPIPE, SIGABRT, SIGSEGV, SIGSYS,
                     SIGRTMIN + 3};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        pid_t child = fork_surely();
        if (child == 0) {
            kill(getpid(), signals[i]);
            _exit(1);
        }
        tell("itself", child);
        child = fork_surely();
        if (child == 0)
            for (;;) pause();
        rest(200);
        kill(child, signals[i]);
        tell("parent", child);
    }
    pid_t child = fork_surely();
    if (child == 0) *(volatile int *)8 = 1;
    tell("fault", child);
    child = fork_surely();
    if (child == 0) abort();
    tell("abort", child);
    child = fork_surely();
    if (child == 0) __asm__ volatile("ud2");
    tell("instruction", child);
}
