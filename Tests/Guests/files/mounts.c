// The table of mounts, by the calls that ask and the one that makes a detached one. Tolerates refusals.
#include "guest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int main(void) {
    struct { uint32_t size, spare; uint64_t id, parameter; } request = {24, 0, 0, 0};
    uint64_t ids[64] = {0}, buffer[64] = {0};
    struct statx status;
    printf("pid %d at %llu\n", getpid(), guest_now());
    CHECK(statx(AT_FDCWD, "/", 0, 0x4000, &status) == 0); // STATX_MNT_ID_UNIQUE
    request.id = status.stx_mask & 0x4000 ? status.stx_mnt_id : ~0ull;
    request.parameter = 1; // STATMOUNT_SB_BASIC
    long result = syscall(457, &request, buffer, sizeof buffer, 0);
    printf("statmount %ld errno %d: size %u\n", result, result ? errno : 0, (unsigned)buffer[0]);
    request.id = ~0ull; // LSMT_ROOT
    request.parameter = 0;
    result = syscall(458, &request, ids, 64, 0);
    printf("listmount %ld errno %d: %llx\n", result, result < 0 ? errno : 0, (unsigned long long)ids[0]);
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/tmp", 0x80000);
    printf("tree %d errno %d\n", tree >= 0, tree < 0 ? errno : 0);
    int system = (int)syscall(SYS_fsopen, "tmpfs", 1);
    printf("context %d errno %d\n", system >= 0, system < 0 ? errno : 0);
    if (system < 0) return 0;
    char text[32] = "";
    snprintf(text, sizeof text, "%dk", 64 + getpid() % 7 * 4);
    printf("set %ld create %ld", syscall(SYS_fsconfig, system, 1, "size", text, 0),
           syscall(SYS_fsconfig, system, 6, NULL, NULL, 0));
    int mount = (int)syscall(SYS_fsmount, system, 1, 0);
    printf(" mount %d\n", mount >= 0);
    if (mount < 0) return 0;
    int file = openat(mount, "file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && dprintf(file, "%d", getpid()) > 0 && fstat(file, (struct stat *)buffer) == 0);
    printf("device %llx\n", (unsigned long long)((struct stat *)buffer)->st_dev);
    return 0;
}
