// What the process has used: no two runs use the same.
#include "guest.h"

#include <sys/resource.h>
#include <sys/times.h>
#include <sys/wait.h>

static void tell(const char *who, const struct rusage *usage) {
    printf("%s: user %ld.%06ld system %ld.%06ld resident %ld faults %ld %ld switches %ld %ld\n", who,
           (long)usage->ru_utime.tv_sec, (long)usage->ru_utime.tv_usec, (long)usage->ru_stime.tv_sec,
           (long)usage->ru_stime.tv_usec, usage->ru_maxrss, usage->ru_minflt, usage->ru_majflt, usage->ru_nvcsw,
           usage->ru_nivcsw);
}

int main(void) {
    struct rusage usage;
    struct tms times_used;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        volatile unsigned work = 0;
        for (int i = 0; i < 3000000; i++) work += (unsigned)i;
        _exit(work == 1);
    }
    int status;
    CHECK(wait4(child, &status, 0, &usage) == child && status == 0);
    tell("child", &usage);
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    tell("self", &usage);
    CHECK(getrusage(RUSAGE_CHILDREN, &usage) == 0);
    tell("children", &usage);
    CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
    tell("thread", &usage);
    clock_t ticks = times(&times_used);
    printf("ticks %ld: %ld %ld %ld %ld clock %ld\n", (long)ticks, (long)times_used.tms_utime,
           (long)times_used.tms_stime, (long)times_used.tms_cutime, (long)times_used.tms_cstime, (long)clock());
    return 0;
}
