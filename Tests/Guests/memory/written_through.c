// What goes into a shared mapping comes out of the file, and the other way round.
#include "guest.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(void) {
    const char *place = guest_enter();
    char text[64] = "";
    int file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && ftruncate(file, 8192) == 0);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED);
    snprintf(map + 5000, 64, "%d at %llu", getpid(), guest_now());
    CHECK(msync(map, 8192, MS_SYNC) == 0 && msync(map, 8192, MS_ASYNC) == 0);
    CHECK(pread(file, text, sizeof text - 1, 5000) > 0);
    printf("%s: from the file %s\n", place, text);
    CHECK(munmap(map, 8192) == 0);
    snprintf(text, sizeof text, "written %llu", guest_now());
    CHECK(pwrite(file, text, sizeof text, 100) == sizeof text);
    map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED);
    printf("from the mapping %s, %s\n", map + 100, map + 5000);
    CHECK(ftruncate(file, 20000) == 0 && unlink("file") == 0);
    printf("not mapped: %d errno %d\n", msync((void *)0x1000, 4096, MS_SYNC), errno);
    guest_leave(place);
    return 0;
}
