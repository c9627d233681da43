// Where mappings lie: hints, fixed places, stacks; and what is refused.
#include "guest.h"

#include <sys/mman.h>

static void tell(const char *what, void *map) {
    printf("%s: %p errno %d\n", what, map == MAP_FAILED ? NULL : map, map == MAP_FAILED ? errno : 0);
}

int main(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS, local;
    void *any = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
    tell("anywhere", any);
    tell("hint", mmap((void *)0x100000000, 4096, PROT_READ, flags, -1, 0));
    tell("taken hint", mmap(any, 4096, PROT_READ, flags, -1, 0));
    tell("fixed", mmap((void *)0x200000000, 8192, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0));
    tell("not replaced", mmap((void *)0x200000000, 4096, PROT_READ, flags | MAP_FIXED_NOREPLACE, -1, 0));
    tell("free", mmap((void *)0x210000000, 4096, PROT_READ, flags | MAP_FIXED_NOREPLACE, -1, 0));
    tell("low", mmap(NULL, 4096, PROT_READ, flags | MAP_32BIT, -1, 0));
    tell("stack", mmap(NULL, 65536, PROT_READ | PROT_WRITE, flags | MAP_STACK | MAP_NORESERVE, -1, 0));
    tell("huge", mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0));
    tell("populated", mmap(NULL, 65536, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, -1, 0));
    tell("no length", mmap(NULL, 0, PROT_READ, flags, -1, 0));
    tell("too long", mmap(NULL, (size_t)1 << 60, PROT_READ, flags, -1, 0));
    tell("no file", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, -1, 0));
    CHECK(munmap((char *)0x200000000 + 4096, 4096) == 0);
    printf("stack near %p, heap near %p, code near %p, pid %d\n", (void *)&local, malloc(10), (void *)main, getpid());
    return 0;
}
