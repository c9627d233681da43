// A file in memory: written, sealed, grown.
#include "guest.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

int main(void) {
    char text[64] = "", path[64], name[64] = "";
    struct stat status;
    int file = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(file >= 0 && dprintf(file, "%d at %llu", getpid(), guest_now()) > 0);
    CHECK(fstat(file, &status) == 0 && pread(file, text, sizeof text - 1, 0) > 0);
    printf("%s, inode %llu size %lld\n", text, (unsigned long long)status.st_ino, (long long)status.st_size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    CHECK(readlink(path, name, sizeof name - 1) > 0);
    printf("%s\n", name);
    int again = open(path, O_RDONLY);
    CHECK(again >= 0 && read(again, text, 3) == 3);
    CHECK(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    printf("seals %x shrink %d errno %d\n", fcntl(file, F_GET_SEALS), ftruncate(file, 1), errno);
    CHECK(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL) == 0);
    printf("write %zd errno %d", write(file, "x", 1), errno);
    printf(" seal %d errno %d\n", fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), errno);
    char *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
    CHECK(map != MAP_FAILED);
    printf("mapped at %p: %s\n", (void *)map, map);
    printf("too long a name: %d errno %d\n",
           memfd_create("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
                        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
                        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890",
                        0),
           errno);
    return 0;
}
