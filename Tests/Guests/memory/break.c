// The program break, moved by the program itself.
#include "guest.h"

#include <sys/syscall.h>

int main(void) {
    static char buffer[4096];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer); // or the C library would take it from there
    char *start = sbrk(0);
    CHECK(sbrk(100000) == start);
    snprintf(start, 64, "%d at %llu", getpid(), guest_now());
    printf("%p %p: %s\n", (void *)start, sbrk(0), start);
    char *more = sbrk(5000);
    printf("%ld further, zero %d\n", (long)(more - start), more[4000]);
    CHECK(brk(start) == 0);
    CHECK(sbrk(4096 * 4) == start);
    printf("again %p '%s'\n", sbrk(0), start + 4096);
    printf("kernel says %lx\n", syscall(SYS_brk, 0));
    printf("too far %d errno %d\n", brk((char *)0x7f0000000000), errno);
    return 0;
}
