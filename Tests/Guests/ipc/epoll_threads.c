// Threads that wait on one epoll set for events that each handles once.
#include "guest.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { FILES = 4, ROUNDS = 40 };
static int set, files[FILES];
static uint64_t handled[3];

static void *handle(void *argument) {
    int thread = (int)(intptr_t)argument;
    while (true) {
        struct epoll_event event;
        uint64_t value;
        CHECK(epoll_wait(set, &event, 1, -1) == 1);
        int index = (int)event.data.u32;
        CHECK(read(files[index], &value, 8) == 8);
        if (value >= 1 << 20) {
            CHECK(write(files[index], &value, 8) == 8);
            event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u32 = (uint32_t)index};
            CHECK(epoll_ctl(set, EPOLL_CTL_MOD, files[index], &event) == 0);
            return NULL;
        }
        handled[thread] = guest_hash(handled[thread], (uint64_t)index << 32 | value);
        event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u32 = (uint32_t)index};
        CHECK(epoll_ctl(set, EPOLL_CTL_MOD, files[index], &event) == 0);
    }
}

int main(void) {
    pthread_t threads[3];
    set = epoll_create1(0);
    for (int i = 0; i < FILES; i++) {
        files[i] = eventfd(0, 0);
        struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = (uint32_t)i};
        CHECK(files[i] >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, files[i], &event) == 0);
    }
    for (int i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, handle, (void *)(intptr_t)i) == 0);
    uint64_t one = 1, end = 1 << 20;
    for (int i = 0; i < ROUNDS; i++) CHECK(write(files[i % FILES], &one, 8) == 8);
    usleep(1000);
    CHECK(write(files[0], &end, 8) == 8);
    for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < 3; i++) printf("%d handled %016llx\n", i, (unsigned long long)handled[i]);
    printf("at %llu\n", guest_now());
    return 0;
}
