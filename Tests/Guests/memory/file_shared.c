// A file that two processes map for themselves and write to in turn.
#include "guest.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

static char *map_file(const char *name) {
    int file = open(name, O_RDWR);
    CHECK(file >= 0);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED && close(file) == 0);
    return map;
}

int main(void) {
    const char *place = guest_enter();
    int there[2], back[2], status;
    char byte;
    int file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && dprintf(file, "%s", place) > 0 && ftruncate(file, 8192) == 0);
    CHECK(pipe(there) == 0 && pipe(back) == 0);
    pid_t child = fork();
    if (child == 0) {
        char *map = map_file("file");
        snprintf(map + 4096, 100, "the child's %d at %llu", getpid(), guest_now());
        CHECK(write(there[1], "", 1) == 1 && read(back[0], &byte, 1) == 1);
        printf("child reads %s and %s at %p\n", map, map + 100, (void *)map);
        fflush(stdout);
        _exit(0);
    }
    char *map = map_file("file");
    snprintf(map + 100, 100, "the parent's %d at %llu", getpid(), guest_now());
    CHECK(write(back[1], "", 1) == 1 && read(there[0], &byte, 1) == 1);
    printf("parent reads %s and %s\n", map, map + 4096);
    fflush(stdout);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
