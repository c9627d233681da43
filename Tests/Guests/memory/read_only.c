// A file mapped shared to be read, that calls write to and that is mapped again.
#include "guest.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(void) {
    const char *place = guest_enter();
    char text[64];
    int writing = open("file", O_RDWR | O_CREAT, 0600), reading = open("file", O_RDONLY);
    CHECK(writing >= 0 && reading >= 0);
    for (int i = 0; i < 4; i++) {
        int length = snprintf(text, sizeof text, "%d of %s at %llu;", i, place, guest_now());
        CHECK(write(writing, text, (size_t)length) == length);
        char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, reading, 0);
        CHECK(map != MAP_FAILED);
        printf("%p %s\n", (void *)map, map);
        if (i % 2) CHECK(munmap(map, 4096) == 0);
    }
    printf("write: %p errno %d\n", mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, reading, 0), errno);
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
