// Waits that let a signal in: epoll_pwait, epoll_pwait2, ppoll and pselect with a mask.
#include "guest.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>

static volatile sig_atomic_t count;

static void handler(int number) {
    (void)number;
    count++;
}

int main(void) {
    sigset_t blocked, none;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 5};
    struct timespec time = {0, 2000000};
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    struct sigaction action = {.sa_handler = handler};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
    int set = epoll_create1(0), file = eventfd(0, 0);
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, file, &event) == 0);
    struct pollfd entry = {.fd = file, .events = POLLIN};
    fd_set files;
    FD_ZERO(&files);
    FD_SET(file, &files);
    unsigned long long start = guest_now();
    for (int round = 0; round < 2; round++) {
        // First with a signal that waits, then until the time is over.
        if (round == 0) CHECK(raise(SIGUSR1) == 0);
        int result = epoll_pwait(set, &event, 1, 2, &none);
        printf("epoll_pwait %d errno %d signals %d\n", result, result < 0 ? errno : 0, count);
        if (round == 0) CHECK(raise(SIGUSR1) == 0);
        result = ppoll(&entry, 1, &time, &none);
        printf("ppoll %d errno %d signals %d revents %x\n", result, result < 0 ? errno : 0, count, entry.revents);
        if (round == 0) CHECK(raise(SIGUSR1) == 0);
        fd_set copy = files;
        result = pselect(file + 1, &copy, NULL, NULL, &time, &none);
        printf("pselect %d errno %d signals %d\n", result, result < 0 ? errno : 0, count);
        if (round == 0) CHECK(raise(SIGUSR1) == 0);
        result = epoll_pwait2(set, &event, 1, &time, &none);
        printf("epoll_pwait2 %d errno %d signals %d\n", result, result < 0 ? errno : 0, count);
    }
    uint64_t value = 3;
    CHECK(write(file, &value, 8) == 8);
    printf("ready %d %d", epoll_pwait(set, &event, 1, 1000, &blocked), ppoll(&entry, 1, NULL, &blocked));
    printf(" %d after %llu ns\n", pselect(file + 1, &files, NULL, NULL, NULL, NULL), guest_now() - start);
    return 0;
}
