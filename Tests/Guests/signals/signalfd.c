// Signals read from a descriptor, waited for with epoll.
#include "../small.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>

static void *send(void *argument) {
    for (int i = 0; i < 40; i++) {
        sigqueue(getpid(), SIGRTMIN + i % 2, (union sigval){.sival_int = i});
        if (i % 5 == 0) rest(200);
    }
    return argument;
}

int main(void) {
    sigset_t set = set_of(SIGRTMIN);
    sigaddset(&set, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), queue = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK(descriptor >= 0 && epoll_ctl(queue, EPOLL_CTL_ADD, descriptor, &event) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, send, NULL) == 0);
    for (int left = 40; left > 0;) {
        CHECK(epoll_wait(queue, &event, 1, -1) == 1);
        struct signalfd_siginfo infos[4];
        ssize_t length = read(descriptor, infos, sizeof infos);
        CHECK(length > 0);
        int count = (int)(length / (ssize_t)sizeof *infos);
        for (int i = 0; i < count; i++)
            printf("%d/%d: %u %d from %u\n", i, count, infos[i].ssi_signo, infos[i].ssi_int, infos[i].ssi_pid);
        left -= count;
    }
    CHECK(pthread_join(thread, NULL) == 0);
}
