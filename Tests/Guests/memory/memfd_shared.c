// A memfd that a parent and its child map each for itself.
#include "guest.h"

#include <sys/mman.h>
#include <sys/wait.h>

int main(void) {
    int there[2], back[2], status;
    char byte;
    int file = memfd_create("shared", 0);
    CHECK(file >= 0 && ftruncate(file, 4096) == 0 && pipe(there) == 0 && pipe(back) == 0);
    pid_t child = fork();
    if (child == 0) {
        char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        CHECK(map != MAP_FAILED);
        snprintf(map, 100, "the child's %d at %llu", getpid(), guest_now());
        CHECK(write(there[1], "", 1) == 1 && read(back[0], &byte, 1) == 1);
        printf("child reads %s\n", map + 100);
        fflush(stdout);
        _exit(0);
    }
    CHECK(read(there[0], &byte, 1) == 1);
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED);
    printf("parent reads %s\n", map);
    fflush(stdout);
    snprintf(map + 100, 100, "the parent's %d at %llu", getpid(), guest_now());
    CHECK(write(back[1], "", 1) == 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return 0;
}
