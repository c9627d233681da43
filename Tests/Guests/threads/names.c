// Names, affinity, scheduling and clocks of threads.
#include "../small.h"

#include <sched.h>

static void *body(void *argument) {
    char name[16], told[16];
    cpu_set_t set;
    struct sched_param parameters;
    int policy;
    snprintf(name, sizeof name, "guest-%d", (int)(intptr_t)argument);
    CHECK(pthread_setname_np(pthread_self(), name) == 0);
    CHECK(pthread_getname_np(pthread_self(), told, sizeof told) == 0);
    CHECK(pthread_getaffinity_np(pthread_self(), sizeof set, &set) == 0);
    CHECK(pthread_getschedparam(pthread_self(), &policy, &parameters) == 0);
    clockid_t clock;
    struct timespec used;
    CHECK(pthread_getcpuclockid(pthread_self(), &clock) == 0 && clock_gettime(clock, &used) == 0);
    printf("%s: %d processors, on %d, policy %d, used %ld ns, id %d\n", told, CPU_COUNT(&set), sched_getcpu(), policy,
           used.tv_nsec, (int)thread_id());
    return NULL;
}

int main(void) { guest_run_threads(6, body); }
