// Priorities of processor time and of input and output.
#include "guest.h"

#include <sys/resource.h>
#include <sys/syscall.h>

int main(void) {
    errno = 0;
    printf("pid %d priority %d errno %d\n", getpid(), getpriority(PRIO_PROCESS, 0), errno);
    printf("set %d\n", setpriority(PRIO_PROCESS, 0, 5));
    printf("priority %d nice %d\n", getpriority(PRIO_PROCESS, 0), nice(1));
    printf("group %d user %d\n", getpriority(PRIO_PGRP, 0), getpriority(PRIO_USER, 0));
    printf("none %d errno %d\n", getpriority(PRIO_PROCESS, 0x7ffffff0), errno);
    printf("io %ld set %ld", syscall(SYS_ioprio_get, 1, 0), syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 4));
    printf(" io %ld\n", syscall(SYS_ioprio_get, 1, 0));
    return 0;
}
