// Every clock, through the C library and as a system call; what the kernel knows of its accuracy.
#include "guest.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>

int main(void) {
    struct timespec now, resolution;
    for (clockid_t clock = 0; clock < 12; clock++) {
        if (clock_gettime(clock, &now) != 0) {
            printf("%d: errno %d\n", clock, errno);
            continue;
        }
        CHECK(clock_getres(clock, &resolution) == 0);
        printf("%d: %lld.%09ld of %ld", clock, (long long)now.tv_sec, now.tv_nsec, resolution.tv_nsec);
        CHECK(syscall(SYS_clock_gettime, clock, &now) == 0 && syscall(SYS_clock_getres, clock, &resolution) == 0);
        printf(" %lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    }
    clockid_t thread, process;
    CHECK(pthread_getcpuclockid(pthread_self(), &thread) == 0 && clock_getcpuclockid(0, &process) == 0);
    CHECK(clock_gettime(thread, &now) == 0);
    printf("thread %lld.%09ld", (long long)now.tv_sec, now.tv_nsec);
    CHECK(clock_gettime(process, &now) == 0);
    printf(" process %lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    struct timeval time_of_day;
    struct timezone zone;
    CHECK(gettimeofday(&time_of_day, NULL) == 0);
    printf("%lld.%06ld", (long long)time_of_day.tv_sec, (long)time_of_day.tv_usec);
    CHECK(syscall(SYS_gettimeofday, &time_of_day, &zone) == 0);
    time_t seconds;
    long result = syscall(SYS_time, &seconds);
    printf(" %lld.%06ld zone %d, %ld %ld %ld\n", (long long)time_of_day.tv_sec, (long)time_of_day.tv_usec,
           zone.tz_minuteswest, (long)time(NULL), result, (long)seconds);
    struct timex state = {0};
    int code = adjtimex(&state);
    printf("state %d offset %ld frequency %ld error %ld status %x %ld\n", code, state.offset, state.freq,
           state.maxerror, state.status, (long)state.time.tv_usec);
    code = clock_adjtime(CLOCK_REALTIME, &state);
    printf("state %d tick %ld bad %d errno %d\n", code, state.tick, clock_settime(CLOCK_MONOTONIC, &now), errno);
    return 0;
}
