// ioctls of files and pipes, by request.
#include "guest.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

int main(void) {
    const char *place = guest_enter();
    int pipes[2], number = 0, one = 1;
    long flags = 0;
    int file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && pipe(pipes) == 0 && dprintf(pipes[1], "%s", place) > 0);
    CHECK(ioctl(pipes[0], FIONREAD, &number) == 0);
    printf("%s: %d bytes wait\n", place, number);
    CHECK(ioctl(pipes[0], FIOCLEX) == 0);
    printf("closes on exec %d", fcntl(pipes[0], F_GETFD));
    CHECK(ioctl(pipes[0], FIONCLEX) == 0);
    printf(" no more %d\n", fcntl(pipes[0], F_GETFD));
    CHECK(ioctl(pipes[0], FIONBIO, &one) == 0);
    printf("flags %x\n", fcntl(pipes[0], F_GETFL));
    CHECK(ioctl(file, FIGETBSZ, &number) == 0);
    printf("block %d\n", number);
    int result = ioctl(file, FS_IOC_GETFLAGS, &flags);
    printf("flags %d %lx errno %d\n", result, flags, result ? errno : 0);
    result = ioctl(file, FS_IOC_GETVERSION, &flags);
    printf("version %d %lx errno %d\n", result, flags, result ? errno : 0);
    struct fsxattr attributes = {0};
    result = ioctl(file, FS_IOC_FSGETXATTR, &attributes);
    printf("attributes %d %x project %u\n", result, attributes.fsx_xflags, attributes.fsx_projid);
    result = ioctl(file, FIOQSIZE, &flags);
    printf("size %d %ld\n", result, flags);
    number = 0;
    result = ioctl(file, FIBMAP, &number);
    printf("block map %d %d errno %d\n", result, number, result ? errno : 0);
    printf("no terminal %d errno %d, unknown %d errno %d\n", ioctl(file, TCGETS, attributes.fsx_pad), errno,
           ioctl(file, 0x7777, 0), errno);
    unsigned char extents[1024] = "";
    struct { uint64_t start, length; uint32_t flags, mapped, count, reserved; } *map = (void *)extents;
    CHECK(pwrite(file, place, 20, 8192) == 20 && fsync(file) == 0);
    map->length = 1 << 20;
    map->count = 4;
    result = ioctl(file, 0xc020660b, map); // FS_IOC_FIEMAP
    printf("extents %d: %u %016llx\n", result, map->mapped,
           (unsigned long long)guest_hash_bytes(GUEST_HASH_START, extents, 32 + 56 * map->mapped));
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
