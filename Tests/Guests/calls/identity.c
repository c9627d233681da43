// Who the process is: numbers that differ in every run, and ids that differ between users.
#include "guest.h"

#include <grp.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

int main(void) {
    uid_t real, effective, saved;
    gid_t groups[64];
    CHECK(getresuid(&real, &effective, &saved) == 0);
    printf("pid %d thread %d parent %d group %d session %d\n", getpid(), gettid(), getppid(), getpgrp(), getsid(0));
    printf("pgid of 0 %d uids %d %d %d %d %d\n", getpgid(0), getuid(), geteuid(), real, effective, saved);
    CHECK(getresgid(&real, &effective, &saved) == 0);
    printf("gids %d %d %d %d %d\n", getgid(), getegid(), real, effective, saved);
    int count = getgroups(0, NULL);
    CHECK(count >= 0 && getgroups(64, groups) == count);
    printf("groups %d:", count);
    for (int i = 0; i < count; i++) printf(" %d", groups[i]);
    printf("\nfsuid %d fsgid %d umask %o was set\n", setfsuid((uid_t)-1), setfsgid((gid_t)-1), umask(027));
    printf("umask %o\n", umask(0));
    fflush(stdout);
    // Another user's child: what it may do is decided by the kernel that recorded.
    if (fork() == 0) {
        gid_t group = 12345;
        int set = setgroups(1, &group);
        int result = setresgid(12345, 12345, 12345) + setresuid(12345, 12345, 12345);
        printf("child %d of %d: groups %d ids %d uid %d gid %d groups %d\n", getpid(), getppid(), set, result, getuid(),
               getgid(), getgroups(64, groups));
        printf("back to root: %d errno %d\n", setuid(0), errno);
        fflush(stdout);
        _exit(0);
    }
    int status;
    printf("waited for %d\n", wait(&status));
    return status;
}
