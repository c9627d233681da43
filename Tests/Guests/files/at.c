// The calls that start from a directory's descriptor.
#include "guest.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int main(void) {
    const char *place = guest_enter();
    char text[64] = "";
    struct stat status;
    int top = open(place, O_PATH | O_DIRECTORY);
    CHECK(top >= 0 && mkdirat(top, "inner", 0700) == 0);
    int inner = openat(top, "inner", O_RDONLY | O_DIRECTORY);
    int file = openat(inner, "a", O_RDWR | O_CREAT, 0600);
    CHECK(inner >= 0 && file >= 0);
    CHECK(linkat(inner, "a", top, "b", 0) == 0 && symlinkat(place, inner, "c") == 0);
    CHECK(readlinkat(inner, "c", text, sizeof text) > 0);
    printf("link to %s\n", text);
    CHECK(renameat(inner, "a", top, "d") == 0);
    CHECK(syscall(SYS_renameat2, top, "b", top, "d", 2) == 0); // RENAME_EXCHANGE
    printf("there already: %ld errno %d\n", syscall(SYS_renameat2, top, "b", top, "d", 1), errno);
    CHECK(fchmodat(top, "b", 0444, 0) == 0 && fchownat(top, "b", getuid(), getgid(), 0) == 0);
    printf("access %d %d errno %d\n", faccessat(top, "b", R_OK, 0), faccessat(top, "none", R_OK, AT_EACCESS), errno);
    struct timespec times[2] = {{1000000000 + getpid(), 5}, {0, UTIME_NOW}};
    CHECK(utimensat(top, "b", times, 0) == 0 && fstatat(top, "b", &status, 0) == 0);
    printf("inode %llu mode %o read %lld written %lld.%09ld\n", (unsigned long long)status.st_ino, status.st_mode,
           (long long)status.st_atim.tv_sec, (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    CHECK(mknodat(top, "fifo", S_IFIFO | 0600, 0) == 0);
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
    long beneath = syscall(SYS_openat2, top, "b", &how, sizeof how);
    printf("beneath %d", beneath >= 0);
    printf(" out %ld errno %d", syscall(SYS_openat2, inner, "../b", &how, sizeof how), errno);
    how.resolve = RESOLVE_NO_SYMLINKS;
    printf(" link %ld errno %d\n", syscall(SYS_openat2, inner, "c", &how, sizeof how), errno);
    CHECK(unlinkat(inner, "c", 0) == 0 && unlinkat(top, "b", 0) == 0 && unlinkat(top, "d", 0) == 0);
    CHECK(unlinkat(top, "fifo", 0) == 0 && unlinkat(top, "inner", AT_REMOVEDIR) == 0);
    guest_leave(place);
    return 0;
}
