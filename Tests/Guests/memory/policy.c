// On which node memory lies.
#include "guest.h"

#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>

int main(void) {
    int mode = -1, where[2] = {-1, -1};
    unsigned long nodes[16] = {0}, one = 1;
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    map[0] = 1;
    long result = syscall(SYS_get_mempolicy, &mode, nodes, 1024, NULL, 0);
    printf("pid %d: %ld errno %d mode %d nodes %lx\n", getpid(), result, result ? errno : 0, mode, nodes[0]);
    result = syscall(SYS_get_mempolicy, NULL, nodes, 1024, NULL, MPOL_F_MEMS_ALLOWED);
    printf("allowed %ld %lx\n", result, nodes[0]);
    result = syscall(SYS_set_mempolicy, MPOL_PREFERRED, &one, 2);
    printf("set %ld bind %ld\n", result, syscall(SYS_mbind, map, 8192, MPOL_BIND, &one, 2, 0));
    result = syscall(SYS_get_mempolicy, &mode, NULL, 0, map, MPOL_F_NODE | MPOL_F_ADDR);
    printf("page on %d of %p (%ld)\n", mode, (void *)map, result);
    void *pages[2] = {map, map + 4096};
    result = syscall(SYS_move_pages, 0, 2, pages, NULL, where, 0);
    printf("pages %ld on %d and %d\n", result, where[0], where[1]);
    printf("migrate %ld\n", syscall(SYS_migrate_pages, 0, 2, &one, &one));
    return 0;
}
