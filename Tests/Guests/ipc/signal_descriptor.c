// Signals taken from a descriptor: sent by itself, by a child, by a timer, with a value.
#include "guest.h"

#include <signal.h>
#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>

static void take(int file) {
    struct signalfd_siginfo info;
    CHECK(read(file, &info, sizeof info) == sizeof info);
    printf("signal %u code %d by %u status %d value %d overrun %u\n", info.ssi_signo, info.ssi_code, info.ssi_pid,
           info.ssi_status, info.ssi_int, info.ssi_overrun);
}

int main(void) {
    sigset_t set;
    int status;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGALRM);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    int file = signalfd(-1, &set, SFD_CLOEXEC);
    CHECK(file >= 0 && kill(getpid(), SIGUSR1) == 0);
    take(file);
    CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77}) == 0);
    take(file);
    pid_t child = fork();
    if (child == 0) _exit(5);
    take(file);
    CHECK(waitpid(child, &status, 0) == child);
    struct itimerval timer = {.it_value = {.tv_usec = 2000}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    take(file);
    sigaddset(&set, SIGUSR2);
    CHECK(signalfd(file, &set, 0) == file);
    struct signalfd_siginfo info;
    CHECK(fcntl(file, F_SETFL, O_NONBLOCK) == 0);
    printf("none %zd errno %d at %llu\n", read(file, &info, sizeof info), errno, guest_now());
    return 0;
}
