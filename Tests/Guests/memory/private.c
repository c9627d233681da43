// A private mapping of a file: what is written to it stays in the process.
#include "guest.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(void) {
    const char *place = guest_enter();
    int file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0);
    for (int i = 0; i < 1000; i++) CHECK(dprintf(file, "%d %llu\n", i, guest_now()) > 0);
    off_t size = lseek(file, 0, SEEK_END);
    char *map = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    char *part = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, file, 4096);
    char *populated = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 4096);
    CHECK(map != MAP_FAILED && part != MAP_FAILED && populated != MAP_FAILED);
    CHECK(memcmp(map + 4096, part, 4096) == 0 && memcmp(part, populated, 4096) == 0);
    map[5000] = '#';
    char byte;
    CHECK(pread(file, &byte, 1, 5000) == 1 && byte != '#');
    printf("%s: %p %p %p, %lld bytes %016llx\n", place, (void *)map, (void *)part, (void *)populated, (long long)size,
           (unsigned long long)guest_hash_bytes(GUEST_HASH_START, map, (size_t)size));
    // The rest of the last page is zero.
    printf("after the end %d\n", map[size]);
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
