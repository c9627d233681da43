// The wait family: which child ended, how, and what it used.
#include "guest.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static pid_t child(int status) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid) return pid;
    usleep(1000);
    if (status >= 256) raise(status - 256);
    _exit(status);
}

int main(void) {
    int status;
    struct rusage usage;
    siginfo_t info;
    pid_t first = child(3);
    int polled = 0;
    while (waitpid(first, &status, WNOHANG) == 0) polled++, usleep(100);
    printf("child %d status %x after %d looks\n", first, status, polled);
    for (int i = 0; i < 3; i++) child(10 + i);
    for (int i = 0; i < 3; i++) {
        pid_t pid = wait4(-1, &status, 0, &usage);
        printf("any: %d status %x resident %ld\n", pid, status, usage.ru_maxrss);
    }
    pid_t last = child(256 + SIGTERM);
    CHECK(waitid(P_PID, (id_t)last, &info, WEXITED | WNOWAIT) == 0);
    printf("seen %d code %d status %d uid %d\n", info.si_pid, info.si_code, info.si_status, info.si_uid);
    CHECK(syscall(SYS_waitid, P_PID, last, &info, WEXITED, &usage) == 0);
    printf("gone %d code %d status %d switches %ld\n", info.si_pid, info.si_code, info.si_status, usage.ru_nvcsw);
    pid_t grouped = child(7);
    setpgid(grouped, grouped);
    CHECK(waitid(P_PGID, (id_t)grouped, &info, WEXITED) == 0);
    printf("group %d status %d\n", info.si_pid, info.si_status);
    printf("none: %d errno %d", waitpid(-1, &status, 0), errno);
    printf(" %d errno %d\n", waitid(P_ALL, 0, &info, WEXITED), errno);
    return 0;
}
