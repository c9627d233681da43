// prctl by option: what is set is what is read, and what is read comes from the log.
#include "guest.h"

#include <linux/capability.h>
#include <sys/prctl.h>

int main(void) {
    char name[16] = "";
    int value = 0;
    int *address = NULL;
    CHECK(prctl(PR_GET_NAME, name) == 0);
    printf("pid %d name %s\n", getpid(), name);
    snprintf(name, sizeof name, "guest%d", getpid());
    CHECK(prctl(PR_SET_NAME, name) == 0);
    memset(name, 0, sizeof name);
    CHECK(prctl(PR_GET_NAME, name) == 0);
    CHECK(pthread_getname_np(pthread_self(), name, sizeof name) == 0);
    printf("name %s\n", name);
    CHECK(prctl(PR_SET_PDEATHSIG, 10) == 0 && prctl(PR_GET_PDEATHSIG, &value) == 0);
    printf("death signal %d\n", value);
    CHECK(prctl(PR_SET_PDEATHSIG, 0) == 0);
    printf("dumpable %d keepcaps %d\n", prctl(PR_GET_DUMPABLE), prctl(PR_GET_KEEPCAPS));
    printf("timer slack %d timing %d securebits %d\n", prctl(PR_GET_TIMERSLACK), prctl(PR_GET_TIMING),
           prctl(PR_GET_SECUREBITS));
    CHECK(prctl(PR_SET_TIMERSLACK, 70000) == 0);
    printf("timer slack %d\n", prctl(PR_GET_TIMERSLACK));
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && prctl(PR_GET_CHILD_SUBREAPER, &value) == 0);
    printf("subreaper %d\n", value);
    CHECK(prctl(PR_GET_TID_ADDRESS, &address) == 0 || errno == EINVAL);
    printf("thread id at %p\n", (void *)address);
    CHECK(prctl(PR_GET_TSC, &value) == 0);
    printf("time stamp counter %d\n", value);
    for (int capability = 0; capability < 4; capability++)
        printf("bounding set %d: %d\n", capability, prctl(PR_CAPBSET_READ, capability));
    printf("no new privileges %d speculation %d thp %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
           prctl(PR_GET_SPECULATION_CTRL, 0, 0, 0, 0), prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    printf("unknown %d errno %d\n", prctl(9999, 0, 0, 0, 0), errno);
    return 0;
}
