// Processes by descriptor: their end waited for, signals sent, descriptors fetched from them.
#include "guest.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int main(void) {
    int hold[2], extra[2];
    siginfo_t info;
    CHECK(pipe(hold) == 0 && pipe(extra) == 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(hold[1]);
        CHECK(dprintf(extra[1], "from %d", getpid()) > 0);
        while (read(hold[0], &byte, 1) >= 0) {}
        _exit(1);
    }
    int process = (int)syscall(SYS_pidfd_open, child, 0);
    CHECK(process >= 0);
    struct pollfd entry = {.fd = process, .events = POLLIN};
    printf("%d lives: %d", child, poll(&entry, 1, 0));
    int theirs = (int)syscall(SYS_pidfd_getfd, process, extra[0], 0);
    char text[32] = "";
    if (theirs >= 0) CHECK(read(theirs, text, sizeof text - 1) > 0);
    printf(" %d says %s\n", theirs >= 0, text);
    CHECK(syscall(SYS_pidfd_send_signal, process, 0, NULL, 0) == 0);
    CHECK(syscall(SYS_pidfd_send_signal, process, SIGTERM, NULL, 0) == 0);
    CHECK(poll(&entry, 1, 1000) == 1);
    CHECK(waitid(P_PIDFD, (id_t)process, &info, WEXITED) == 0);
    printf("%d ended by %d code %d at %llu\n", info.si_pid, info.si_status, info.si_code, guest_now());
    printf("gone %ld errno %d", syscall(SYS_pidfd_send_signal, process, SIGTERM, NULL, 0), errno);
    printf(" %ld errno %d\n", syscall(SYS_pidfd_open, child, 0), errno);
    return 0;
}
