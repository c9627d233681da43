// Names made, changed and removed, by the calls without a directory's descriptor.
#include "guest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <utime.h>

int main(void) {
    const char *place = guest_enter();
    char text[128] = "";
    struct stat status;
    int file = (int)syscall(SYS_creat, "a", 0600);
    CHECK(file >= 0 && write(file, place, 10) == 10);
    CHECK(syscall(SYS_link, "a", "b") == 0 && syscall(SYS_symlink, place, "c") == 0);
    CHECK(syscall(SYS_readlink, "c", text, sizeof text) == (long)strlen(place));
    printf("%s\n", text);
    CHECK(syscall(SYS_rename, "b", "d") == 0 && syscall(SYS_mkdir, "e", 0755) == 0);
    CHECK(syscall(SYS_access, "e", X_OK) == 0);
    CHECK(syscall(SYS_chmod, "d", 0400) == 0 && fchmod(file, 0600) == 0);
    CHECK(syscall(SYS_chown, "d", getuid(), -1) == 0 && fchown(file, -1, getgid()) == 0);
    CHECK(syscall(SYS_lchown, "c", getuid(), getgid()) == 0);
    struct utimbuf times = {getpid(), 77};
    CHECK(utime("d", &times) == 0 && syscall(SYS_stat, "d", &status) == 0);
    printf("inode %llu mode %o read %lld written %lld\n", (unsigned long long)status.st_ino, status.st_mode,
           (long long)status.st_atime, (long long)status.st_mtime);
    struct timeval precise[2] = {{getpid(), 1}, {getpid(), 2}};
    CHECK(syscall(SYS_utimes, "d", precise) == 0 && syscall(SYS_futimesat, AT_FDCWD, "a", precise) == 0);
    CHECK(truncate("d", 5) == 0 && ftruncate(file, 7) == 0 && stat("a", &status) == 0);
    printf("size %lld read %lld.%09ld\n", (long long)status.st_size, (long long)status.st_atim.tv_sec,
           status.st_atim.tv_nsec);
    CHECK(syscall(SYS_mknod, "f", S_IFIFO | 0600, 0) == 0);
    CHECK(chdir("e") == 0 && getcwd(text, sizeof text));
    printf("in %s\n", text);
    int top = open("..", O_RDONLY);
    CHECK(fchdir(top) == 0 && syscall(SYS_getcwd, text, sizeof text) > 0);
    printf("in %s\n", text);
    printf("too small %ld errno %d\n", syscall(SYS_getcwd, text, 2), errno);
    CHECK(unlink("a") == 0 && unlink("c") == 0 && unlink("d") == 0 && unlink("f") == 0);
    CHECK(syscall(SYS_rmdir, "e") == 0);
    printf("gone %d errno %d\n", rmdir("e"), errno);
    guest_leave(place);
    return 0;
}
