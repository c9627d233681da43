// A shared mapping of a file that grows: more is mapped, and the mapping itself is made larger.
#include "guest.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

int main(void) {
    const char *place = guest_enter();
    int status, file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && ftruncate(file, 4096) == 0);
    char *first = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(first != MAP_FAILED && ftruncate(file, 4 * 4096) == 0);
    char *second = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 8192);
    CHECK(second != MAP_FAILED);
    snprintf(first, 64, "first of %d", getpid());
    snprintf(second + 4096, 64, "second at %llu", guest_now());
    char *grown = mremap(first, 4096, 4 * 4096, MREMAP_MAYMOVE);
    CHECK(grown != MAP_FAILED);
    printf("%s: %p %s, %s\n", place, (void *)grown, grown, grown + 3 * 4096);
    fflush(stdout);
    if (fork() == 0) {
        char *own = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        CHECK(own != MAP_FAILED);
        printf("child: %p %s, %s\n", (void *)own, own, own + 3 * 4096);
        fflush(stdout);
        snprintf(own + 4096, 64, "the child's %d", getpid());
        _exit(0);
    }
    CHECK(wait(&status) > 0 && status == 0);
    printf("%s\n", grown + 4096);
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
