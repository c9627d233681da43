// Micro-benchmark: rwloop [SECONDS]. Reads of 64 bytes from /dev/zero, then writes of 64 bytes to /dev/null.
#include "guest.h"

#include <fcntl.h>
#include <unistd.h>

enum { BATCH = 1000, LENGTH = 64 };

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static double time_calls(int file, bool writing, double seconds) {
    char buffer[LENGTH] = {0};
    long long calls = 0, start = now_ns(), end = start;
    while ((double)(end - start) < seconds * 1e9) {
        for (int i = 0; i < BATCH; i++) {
            ssize_t length = writing ? write(file, buffer, LENGTH) : read(file, buffer, LENGTH);
            CHECK(length == LENGTH);
        }
        calls += BATCH;
        end = now_ns();
    }
    return (double)(end - start) / (double)calls;
}

int main(int count, char **arguments) {
    double seconds = count > 1 ? atof(arguments[1]) : 1;
    int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
    CHECK(zero >= 0 && null >= 0);
    double reading = time_calls(zero, false, seconds / 2);
    double writing = time_calls(null, true, seconds / 2);
    printf("ns_per_read %.2f\nns_per_write %.2f\n", reading, writing);
    return 0;
}
