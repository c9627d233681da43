// One memfd mapped twice, side by side: a ring buffer whose end runs on at its beginning.
#include "guest.h"

#include <sys/mman.h>

int main(void) {
    enum { SIZE = 4096 };
    int file = memfd_create("ring", 0);
    CHECK(file >= 0 && ftruncate(file, SIZE) == 0);
    char *ring = mmap(NULL, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(ring != MAP_FAILED);
    for (int i = 0; i < 2; i++)
        CHECK(mmap(ring + i * SIZE, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED);
    close(file);
    int length = snprintf(ring + SIZE - 10, 64, "%d around the end at %llu", getpid(), guest_now());
    printf("%.*s at %p\n", length, ring + SIZE - 10, (void *)ring);
    printf("the beginning: %.*s\n", length - 10, ring);
    ring[3] = '#';
    printf("the mirror: %c\n", ring[SIZE + 3]);
    return 0;
}
