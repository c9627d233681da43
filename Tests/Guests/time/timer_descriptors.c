// Timers as descriptors: once, again and again, until a time, with how often they ran out.
#include "guest.h"

#include <poll.h>
#include <sys/timerfd.h>

int main(void) {
    struct itimerspec time = {.it_interval.tv_nsec = 500000, .it_value.tv_nsec = 500000}, left;
    uint64_t count, sum = 0;
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    CHECK(timer >= 0 && timerfd_settime(timer, 0, &time, NULL) == 0);
    for (int i = 0; i < 4; i++) {
        CHECK(read(timer, &count, 8) == 8);
        sum = guest_hash(sum, count);
        if (i == 1) usleep(2000);
        printf("%llu ", (unsigned long long)count);
    }
    CHECK(timerfd_gettime(timer, &left) == 0);
    printf("left %ld at %llu\n", left.it_value.tv_nsec, guest_now());
    int other = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    printf("none %zd errno %d\n", read(other, &count, 8), errno);
    time = (struct itimerspec){.it_value = guest_deadline(CLOCK_REALTIME, 1000000)};
    CHECK(timerfd_settime(other, TFD_TIMER_ABSTIME, &time, &left) == 0);
    struct pollfd entries[2] = {{.fd = timer, .events = POLLIN}, {.fd = other, .events = POLLIN}};
    int polls = 0;
    while (!(entries[1].revents & POLLIN)) {
        CHECK(poll(entries, 2, 1000) > 0);
        polls++;
        if (entries[0].revents) CHECK(read(timer, &count, 8) == 8);
    }
    printf("after %d polls %zd", polls, read(other, &count, 8));
    time = (struct itimerspec){0};
    CHECK(timerfd_settime(timer, 0, &time, &left) == 0);
    printf(" stopped with %ld\n", left.it_value.tv_nsec);
    return 0;
}
