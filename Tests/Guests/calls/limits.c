// Limits on resources, read and lowered.
#include "guest.h"

#include <sys/resource.h>
#include <sys/syscall.h>

int main(void) {
    struct rlimit limit, old;
    printf("pid %d\n", getpid());
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        CHECK(getrlimit(i, &limit) == 0);
        printf("%d: %llx %llx\n", i, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
    }
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_cur > 50 ? 50 : limit.rlim_cur;
    CHECK(prlimit(0, RLIMIT_NOFILE, &limit, &old) == 0);
    printf("files %llu, were %llu\n", (unsigned long long)limit.rlim_cur, (unsigned long long)old.rlim_cur);
    int last = -1, next;
    while ((next = dup(0)) >= 0) last = next;
    printf("last descriptor %d errno %d\n", last, errno);
    limit.rlim_cur = 1024;
    CHECK(syscall(SYS_setrlimit, RLIMIT_CORE, &limit) == 0 || errno == EPERM || errno == EINVAL);
    limit.rlim_cur = limit.rlim_max + 1;
    printf("too much: %d errno %d\n", setrlimit(RLIMIT_NOFILE, &limit), errno);
    return 0;
}
