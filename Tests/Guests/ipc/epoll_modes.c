// epoll: while there is something, once for each arrival, once at all; sets in sets; what is removed.
#include "guest.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

static void tell(const char *what, int set) {
    struct epoll_event events[8];
    int count = epoll_wait(set, events, 8, 0);
    printf("%s: %d", what, count);
    for (int i = 0; i < count; i++) printf(" %llx:%x", (unsigned long long)events[i].data.u64, events[i].events);
    printf("\n");
}

static void add(int set, int file, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, file, &event) == 0);
}

int main(void) {
    int set = epoll_create1(EPOLL_CLOEXEC), outer = (int)syscall(SYS_epoll_create, 1), pipes[2];
    int a = eventfd(0, 0), b = eventfd(0, EFD_NONBLOCK), c = eventfd(0, 0);
    uint64_t value = 1, mark = (uint64_t)getpid() << 16;
    CHECK(set >= 0 && outer >= 0 && a >= 0 && b >= 0 && c >= 0 && pipe(pipes) == 0);
    add(set, a, EPOLLIN, mark | 1);
    add(set, b, EPOLLIN | EPOLLET, mark | 2);
    add(set, c, EPOLLIN | EPOLLONESHOT, mark | 3);
    add(outer, set, EPOLLIN, mark | 4);
    add(set, pipes[1], EPOLLOUT | EPOLLET, (uint64_t)(uintptr_t)&set);
    tell("only the pipe", set);
    tell("outer, nothing new", outer);
    CHECK(write(a, &value, 8) == 8 && write(b, &value, 8) == 8 && write(c, &value, 8) == 8);
    tell("outer", outer);
    tell("all", set);
    tell("level only", set);
    CHECK(write(b, &value, 8) == 8 && write(c, &value, 8) == 8);
    tell("edge again", set);
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = mark | 33};
    CHECK(epoll_ctl(set, EPOLL_CTL_MOD, c, &event) == 0);
    tell("rearmed", set);
    CHECK(epoll_ctl(set, EPOLL_CTL_DEL, a, NULL) == 0 && read(b, &value, 8) == 8);
    tell("nothing", set);
    printf("twice %d errno %d", epoll_ctl(set, EPOLL_CTL_ADD, b, &event), errno);
    printf(" gone %d errno %d", epoll_ctl(set, EPOLL_CTL_DEL, a, NULL), errno);
    printf(" itself %d errno %d\n", epoll_ctl(set, EPOLL_CTL_ADD, set, &event), errno);
    close(pipes[0]);
    tell("broken pipe", set);
    close(pipes[1]);
    tell("closed", set);
    return 0;
}
