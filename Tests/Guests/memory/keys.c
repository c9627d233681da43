// Memory protection keys and sealed memory, where processor and kernel have them.
#include "guest.h"

#include <sys/mman.h>
#include <sys/syscall.h>

int main(void) {
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    int key = pkey_alloc(0, 0);
    printf("pid %d at %p: key %d errno %d\n", getpid(), (void *)map, key, key < 0 ? errno : 0);
    if (key >= 0) {
        CHECK(pkey_mprotect(map, 4096, PROT_READ | PROT_WRITE, key) == 0);
        map[0] = 'x';
        CHECK(pkey_mprotect(map, 4096, PROT_READ | PROT_WRITE, -1) == 0 && pkey_free(key) == 0);
    }
    long sealed = syscall(462, map, 4096, 0);
    printf("sealed %ld errno %d\n", sealed, sealed ? errno : 0);
    if (sealed == 0) printf("protect %d errno %d\n", mprotect(map, 4096, PROT_READ), errno);
    printf("barrier %ld", syscall(SYS_membarrier, 0, 0, 0));
    printf(" register %ld", syscall(SYS_membarrier, 16, 0, 0));
    printf(" done %ld\n", syscall(SYS_membarrier, 8, 0, 0));
    return 0;
}
