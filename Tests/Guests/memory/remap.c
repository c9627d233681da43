// Mappings that grow, shrink and move.
#include "guest.h"

#include <sys/mman.h>

int main(void) {
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    snprintf(map, 64, "%d at %llu", getpid(), guest_now());
    CHECK(mremap(map, 8192, 4096, 0) == map);
    char *blocker = mmap(map + 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("in place: %d errno %d\n", mremap(map, 4096, 1 << 20, 0) != MAP_FAILED, errno);
    char *moved = mremap(map, 4096, 1 << 20, MREMAP_MAYMOVE);
    CHECK(moved != MAP_FAILED && moved != map);
    printf("%p to %p: %s\n", (void *)map, (void *)moved, moved);
    char *target = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *there = mremap(moved, 1 << 20, 1 << 20, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    CHECK(there == target);
    printf("to %p: %s\n", (void *)there, there);
    there[1 << 19] = 'x';
    char *copy = mremap(there, 1 << 20, 1 << 20, MREMAP_MAYMOVE | 4); // MREMAP_DONTUNMAP
    if (copy != MAP_FAILED) printf("at %p %c, left at %p '%s'\n", (void *)copy, copy[1 << 19], (void *)there, there);
    printf("nothing there: %d errno %d\n", mremap((void *)0x1000, 4096, 8192, 0) != MAP_FAILED, errno);
    // Realloc of a large block moves pages instead of bytes.
    char *block = malloc(1 << 21);
    snprintf(block, 64, "block of %d", getpid());
    block = realloc(block, 1 << 23);
    printf("%s at %p, blocker at %p\n", block, (void *)block, (void *)blocker);
    free(block);
    return 0;
}
