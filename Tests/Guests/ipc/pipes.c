// Pipes: packets, full ones, broken ones, between threads and processes.
#include "guest.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

static int shared[2];
static char got[2][1000];

static void *give(void *argument) {
    char text[16];
    for (int i = 0; i < 50; i++) {
        int length = snprintf(text, sizeof text, "%d.%02d,", (int)(intptr_t)argument, i);
        CHECK(write(shared[1], text, (size_t)length) == length);
    }
    return NULL;
}

static void *take(void *argument) {
    char *mine = got[(intptr_t)argument];
    for (size_t used = 0; used < 250; used += 5) CHECK(read(shared[0], mine + used, 5) == 5);
    return NULL;
}

static void *either(void *argument) {
    int index = (int)(intptr_t)argument;
    return index < 2 ? give(argument) : take((void *)(intptr_t)(index - 2));
}

int main(void) {
    int packets[2], status;
    char text[5000] = "", child_text[64] = "";
    CHECK(pipe(shared) == 0);
    guest_run_threads(4, either);
    printf("%s\n%s\n", got[0], got[1]);
    CHECK(pipe2(packets, O_DIRECT | O_NONBLOCK) == 0);
    CHECK(write(packets[1], "one", 3) == 3 && write(packets[1], "three", 5) == 5);
    ssize_t first = read(packets[0], text, sizeof text), second = read(packets[0], text, 2);
    printf("packets %zd %zd\n", first, second);
    int count = 0;
    while (write(packets[1], text, sizeof text) > 0) count++;
    printf("full after %d, errno %d\n", count, errno);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int length = snprintf(child_text, sizeof child_text, "%d at %llu", getpid(), guest_now());
        CHECK(write(shared[1], child_text, (size_t)length) == length);
        _exit(0);
    }
    close(shared[1]);
    ssize_t length;
    size_t used = 0;
    while ((length = read(shared[0], child_text + used, sizeof child_text - used)) > 0) used += (size_t)length;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    printf("from the child %s, then %zd\n", child_text, length);
    struct pollfd entry = {.fd = shared[0], .events = POLLIN};
    CHECK(poll(&entry, 1, 0) == 1);
    printf("ended %x\n", entry.revents);
    signal(SIGPIPE, SIG_IGN);
    close(packets[0]);
    printf("broken %zd errno %d\n", write(packets[1], "x", 1), errno);
    return 0;
}
