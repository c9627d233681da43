// Process groups and sessions of forked children.
#include "guest.h"

#include <sys/wait.h>

int main(void) {
    int status;
    printf("%d group %d session %d\n", getpid(), getpgid(0), getsid(0));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        printf("setpgid %d group %d\n", setpgid(0, 0), getpgrp());
        printf("leader of a group: setsid %d errno %d\n", setsid(), errno);
        fflush(stdout);
        pid_t grandchild = fork();
        if (grandchild == 0) {
            pid_t session = setsid();
            printf("grandchild %d session %d group %d\n", getpid(), session, getpgid(0));
            fflush(stdout);
            _exit(0);
        }
        CHECK(waitpid(grandchild, &status, 0) == grandchild);
        _exit(status);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    printf("child %d is gone: getpgid %d errno %d\n", child, getpgid(child), errno);
    return 0;
}
