// What is known about a file, by every call that tells it.
#include "guest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

static void tell(const char *name, const struct stat *s) {
    printf("%s: inode %llu mode %o links %lu size %lld blocks %lld changed %lld.%09ld\n", name,
           (unsigned long long)s->st_ino, s->st_mode, (unsigned long)s->st_nlink, (long long)s->st_size,
           (long long)s->st_blocks, (long long)s->st_ctim.tv_sec, s->st_ctim.tv_nsec);
}

int main(void) {
    const char *place = guest_enter();
    struct stat s;
    struct statx x;
    struct statfs f;
    struct statvfs v;
    int file = open("file", O_RDWR | O_CREAT, 0640);
    CHECK(file >= 0 && write(file, place, strlen(place)) > 0 && symlink("file", "link") == 0);
    CHECK(stat("link", &s) == 0);
    tell("stat", &s);
    CHECK(syscall(SYS_stat, "link", &s) == 0);
    tell("old stat", &s);
    CHECK(syscall(SYS_lstat, "link", &s) == 0);
    tell("old lstat", &s);
    CHECK(lstat("link", &s) == 0);
    tell("lstat", &s);
    CHECK(fstat(file, &s) == 0);
    tell("fstat", &s);
    CHECK(fstatat(AT_FDCWD, "link", &s, AT_SYMLINK_NOFOLLOW) == 0);
    tell("fstatat", &s);
    CHECK(statx(AT_FDCWD, "file", 0, STATX_ALL, &x) == 0);
    printf("statx: mask %x inode %llu born %lld.%09u mount %llu attributes %llx\n", x.stx_mask,
           (unsigned long long)x.stx_ino, (long long)x.stx_btime.tv_sec, x.stx_btime.tv_nsec,
           (unsigned long long)x.stx_mnt_id, (unsigned long long)x.stx_attributes);
    CHECK(statx(file, "", AT_EMPTY_PATH, STATX_SIZE, &x) == 0);
    printf("size %llu\n", (unsigned long long)x.stx_size);
    CHECK(statfs(".", &f) == 0);
    printf("file system %lx free %llu files %llu id %d\n", (long)f.f_type, (unsigned long long)f.f_bfree,
           (unsigned long long)f.f_ffree, f.f_fsid.__val[0]);
    CHECK(fstatvfs(file, &v) == 0);
    printf("block %lu available %llu flags %lx\n", v.f_bsize, (unsigned long long)v.f_bavail, v.f_flag);
    printf("missing %d errno %d\n", stat("missing", &s), errno);
    close(file);
    CHECK(unlink("file") == 0 && unlink("link") == 0);
    guest_leave(place);
    return 0;
}
