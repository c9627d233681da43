// Micro-benchmark: clockloop [SECONDS]. Calls clock_gettime until that time has passed.
#include "guest.h"

int main(int count, char **arguments) {
    double seconds = count > 1 ? atof(arguments[1]) : 1;
    struct timespec start, now;
    long long calls = 0, elapsed;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
        calls++;
        elapsed = (now.tv_sec - start.tv_sec) * 1000000000LL + now.tv_nsec - start.tv_nsec;
    } while ((double)elapsed < seconds * 1e9);
    printf("calls %lld\nns_per_call %.2f\n", calls, (double)elapsed / (double)calls);
    return 0;
}
