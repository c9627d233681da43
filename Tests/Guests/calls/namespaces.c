// Namespaces of its own: names of the machine, mounts, and what is below them. Tolerates that it may not.
#include "guest.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

int main(void) {
    const char *place = guest_enter();
    char link[64] = "";
    printf("in %s\n", place);
    fflush(stdout);
    if (fork() == 0) {
        CHECK(readlink("/proc/self/ns/uts", link, sizeof link - 1) > 0);
        printf("%d in %s\n", getpid(), link);
        int names = unshare(CLONE_NEWUTS);
        printf("names %d errno %d\n", names, names ? errno : 0);
        if (names == 0) {
            char name[65] = "";
            snprintf(name, sizeof name, "guest-%d", getpid());
            int set = sethostname(name, strlen(name));
            memset(name, 0, sizeof name);
            CHECK(gethostname(name, sizeof name) == 0);
            printf("host %d %s\n", set, name);
            CHECK(readlink("/proc/self/ns/uts", link, sizeof link - 1) > 0);
            printf("now in %s\n", link);
        }
        int mounts = unshare(CLONE_NEWNS);
        printf("mounts %d errno %d\n", mounts, mounts ? errno : 0);
        if (mounts == 0) {
            mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
            int result = mount("none", place, "tmpfs", 0, "size=64k");
            printf("tmpfs %d\n", result);
            if (result == 0) {
                struct stat status;
                CHECK(stat(place, &status) == 0);
                printf("device %llx inode %llu\n", (unsigned long long)status.st_dev,
                       (unsigned long long)status.st_ino);
                printf("gone: %d\n", umount2(place, MNT_DETACH));
            }
        }
        int space = open("/proc/1/ns/uts", O_RDONLY | O_CLOEXEC);
        if (space >= 0) printf("into the first one's names: %d\n", setns(space, CLONE_NEWUTS));
        fflush(stdout);
        _exit(0);
    }
    int status;
    CHECK(wait(&status) > 0 && status == 0);
    guest_leave(place);
    return 0;
}
