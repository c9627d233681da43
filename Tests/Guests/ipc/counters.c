// eventfd as a counter and as a semaphore, between threads and over a fork.
#include "guest.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int counter, permits;
static uint64_t seen[4];

static void *body(void *argument) {
    int thread = (int)(intptr_t)argument;
    uint64_t one = (uint64_t)thread + 1, value;
    for (int i = 0; i < 50; i++) {
        CHECK(read(permits, &value, 8) == 8 && value == 1);
        CHECK(write(counter, &one, 8) == 8);
        if (read(counter, &value, 8) == 8) seen[thread] = guest_hash(seen[thread], value);
        value = 1;
        CHECK(write(permits, &value, 8) == 8);
    }
    return NULL;
}

int main(void) {
    uint64_t value = ~0ull - 1;
    int status;
    counter = eventfd(0, EFD_NONBLOCK);
    permits = eventfd(2, EFD_SEMAPHORE);
    int old = (int)syscall(SYS_eventfd, 7);
    CHECK(counter >= 0 && permits >= 0 && old >= 0);
    guest_run_threads(4, body);
    for (int i = 0; i < 4; i++) printf("%d saw %016llx\n", i, (unsigned long long)seen[i]);
    fflush(stdout);
    if (fork() == 0) {
        value = (uint64_t)getpid();
        CHECK(write(old, &value, 8) == 8);
        _exit(0);
    }
    CHECK(wait(&status) > 0 && status == 0 && read(old, &value, 8) == 8);
    printf("from the child %llu\n", (unsigned long long)value);
    value = ~0ull - 1;
    CHECK(write(counter, &value, 8) == 8);
    printf("full %zd errno %d", write(counter, &value, 8), errno);
    struct pollfd entry = {.fd = counter, .events = POLLIN | POLLOUT};
    CHECK(poll(&entry, 1, 0) == 1);
    printf(" ready %x short %zd at %llu\n", entry.revents, read(counter, &value, 4), guest_now());
    return 0;
}
