// Room in a file: asked for, punched, shortened.
#include "guest.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

static void tell(const char *what, int file, int result) {
    struct stat status;
    int number = errno;
    CHECK(fstat(file, &status) == 0);
    printf("%s: %d errno %d, size %lld blocks %lld written %lld.%09ld\n", what, result, result ? number : 0,
           (long long)status.st_size, (long long)status.st_blocks, (long long)status.st_mtim.tv_sec,
           status.st_mtim.tv_nsec);
}

int main(void) {
    const char *place = guest_enter();
    static char bytes[40000];
    memset(bytes, 'x', sizeof bytes);
    int file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && write(file, bytes, sizeof bytes) == sizeof bytes);
    tell("written", file, 0);
    tell("allocated", file, fallocate(file, 0, 0, 100000));
    tell("kept its size", file, fallocate(file, FALLOC_FL_KEEP_SIZE, 100000, 50000));
    tell("hole", file, fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192));
    tell("zeroed", file, fallocate(file, FALLOC_FL_ZERO_RANGE, 16384, 4096));
    tell("collapsed", file, fallocate(file, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
    tell("bad", file, fallocate(file, 0, -1, 5));
    tell("posix", file, posix_fallocate(file, 0, 200000));
    tell("shortened", file, ftruncate(file, 6000));
    ssize_t length = pread(file, bytes, sizeof bytes, 0);
    printf("%zd bytes %016llx\n", length,
           (unsigned long long)guest_hash_bytes(GUEST_HASH_START, bytes, (size_t)length));
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
