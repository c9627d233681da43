// Schedulers, their parameters, and the processors that a thread may run on.
#include "guest.h"

#include <sched.h>
#include <sys/syscall.h>

struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
};

int main(void) {
    struct sched_param parameter;
    struct timespec interval;
    struct attributes attributes = {.size = sizeof attributes};
    cpu_set_t set, one;
    CHECK(sched_getparam(0, &parameter) == 0);
    printf("pid %d scheduler %d priority %d on %d\n", getpid(), sched_getscheduler(0), parameter.sched_priority,
           sched_getcpu());
    for (int policy = 0; policy < 4; policy++)
        printf("policy %d: %d to %d\n", policy, sched_get_priority_min(policy), sched_get_priority_max(policy));
    CHECK(sched_rr_get_interval(0, &interval) == 0);
    printf("interval %ld.%09ld\n", (long)interval.tv_sec, interval.tv_nsec);
    CHECK(syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0);
    printf("attributes %u policy %u nice %d runtime %llu\n", attributes.size, attributes.policy, attributes.nice,
           (unsigned long long)attributes.runtime);
    attributes.policy = SCHED_BATCH;
    printf("batch %ld\n", syscall(SYS_sched_setattr, 0, &attributes, 0));
    printf("scheduler %d\n", sched_getscheduler(0));
    parameter.sched_priority = 0;
    printf("other %d", sched_setscheduler(0, SCHED_OTHER, &parameter));
    printf(" scheduler %d param %d\n", sched_getscheduler(0), sched_setparam(0, &parameter));
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    printf("may run on %d\n", CPU_COUNT(&set));
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &set)) continue;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
        sched_yield();
        printf("runs on %d at %llu\n", sched_getcpu(), guest_now());
    }
    return 0;
}
