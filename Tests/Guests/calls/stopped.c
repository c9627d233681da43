// A child that is stopped and let go on: the parent sees each change.
#include "guest.h"

#include <signal.h>
#include <sys/wait.h>

int main(void) {
    int status, hold[2];
    siginfo_t info;
    CHECK(pipe(hold) == 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(hold[1]);
        CHECK(read(hold[0], &byte, 1) == 1);
        _exit(byte);
    }
    CHECK(kill(child, SIGSTOP) == 0);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    printf("%d stopped by %d at %llu\n", child, WSTOPSIG(status), guest_now());
    CHECK(kill(child, SIGCONT) == 0);
    CHECK(waitid(P_PID, (id_t)child, &info, WCONTINUED) == 0);
    printf("%d goes on, code %d status %d\n", info.si_pid, info.si_code, info.si_status);
    CHECK(write(hold[1], "x", 1) == 1);
    CHECK(waitpid(child, &status, 0) == child);
    printf("ended with %d\n", WEXITSTATUS(status));
    return 0;
}
