// poll and select over several descriptors, with time left over.
#include "guest.h"

#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int pipes[3][2];

static void *writer(void *argument) {
    unsigned wait = (unsigned)(intptr_t)argument * 700;
    usleep(wait);
    CHECK(write(pipes[(intptr_t)argument][1], "x", 1) == 1);
    return NULL;
}

int main(void) {
    pthread_t threads[3];
    struct pollfd entries[4];
    for (int i = 0; i < 3; i++) {
        CHECK(pipe(pipes[i]) == 0);
        entries[i] = (struct pollfd){.fd = pipes[i][0], .events = POLLIN};
    }
    entries[3] = (struct pollfd){.fd = 999, .events = POLLIN, .revents = 0x77};
    int count = poll(entries, 4, 0);
    printf("%d, bad %x\n", count, entries[3].revents);
    for (int i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, writer, (void *)(intptr_t)i) == 0);
    for (int left = 3; left > 0;) {
        fd_set set;
        FD_ZERO(&set);
        for (int i = 0; i < 3; i++) FD_SET(pipes[i][0], &set);
        struct timeval time = {1, 0};
        count = select(pipes[2][0] + 1, &set, NULL, NULL, &time);
        CHECK(count > 0);
        printf("%d ready, %ld left:", count, (long)time.tv_usec);
        for (int i = 0; i < 3; i++) {
            char byte;
            if (!FD_ISSET(pipes[i][0], &set)) continue;
            printf(" %d", i);
            CHECK(read(pipes[i][0], &byte, 1) == 1);
            left--;
        }
        printf(" at %llu\n", guest_now());
    }
    for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    fd_set writable, failed;
    FD_ZERO(&writable);
    FD_ZERO(&failed);
    FD_SET(pipes[0][1], &writable);
    FD_SET(pipes[0][1], &failed);
    printf("writable %d", select(pipes[0][1] + 1, NULL, &writable, &failed, NULL));
    printf(" %d %d", FD_ISSET(pipes[0][1], &writable) != 0, FD_ISSET(pipes[0][1], &failed) != 0);
    FD_SET(500, &writable);
    printf(" bad %d errno %d\n", select(501, NULL, &writable, NULL, NULL), errno);
    struct timespec time = {0, 1000000};
    printf("in vain %ld", syscall(SYS_ppoll, entries, 3, &time, NULL, 8));
    printf(" left %ld %d\n", time.tv_nsec, poll(NULL, 0, 1));
    return 0;
}
