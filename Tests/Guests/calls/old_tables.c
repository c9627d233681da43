// Tables of the kernel asked by old calls: file systems by number, disks by device, quotas, segments, accounting.
#include "guest.h"

#include <sys/stat.h>
#include <sys/syscall.h>

int main(void) {
    char name[64] = "", status[64] = "", quota[128] = "";
    long count = syscall(SYS_sysfs, 3);
    printf("pid %d: %ld file systems\n", getpid(), count);
    for (long i = 0; i < count && i < 5; i++) {
        CHECK(syscall(SYS_sysfs, 2, i, name) == 0);
        printf("%ld %s %ld\n", i, name, syscall(SYS_sysfs, 1, name));
    }
    struct stat root;
    CHECK(stat("/", &root) == 0);
    long result = syscall(SYS_ustat, (unsigned)root.st_dev, status);
    printf("ustat %ld %016llx\n", result, (unsigned long long)guest_hash_bytes(GUEST_HASH_START, status, 32));
    result = syscall(SYS_quotactl, 0x80000400u, "/dev/nothing", 0, quota);
    printf("quota %ld errno %d", result, errno);
    result = syscall(443, 0, 0x80000700u, 0, quota);
    printf(" %ld errno %d\n", result, errno);
    result = syscall(SYS_acct, "/nonexistent/file");
    printf("accounting %ld errno %d", result, errno);
    result = syscall(SYS_swapon, "/nonexistent/file", 0);
    printf(" swap %ld errno %d", result, errno);
    result = syscall(SYS_swapoff, "/nonexistent/file");
    printf(" %ld errno %d at %llu\n", result, errno, guest_now());
    return 0;
}
