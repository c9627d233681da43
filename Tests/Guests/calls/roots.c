// A child with another root, another personality and other names for the same files.
#include "guest.h"

#include <fcntl.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/wait.h>

int main(void) {
    const char *place = guest_enter();
    int status;
    printf("%s personality %x\n", place, personality(0xffffffff) & ~ADDR_NO_RANDOMIZE);
    fflush(stdout);
    int file = open("inside", O_WRONLY | O_CREAT, 0600);
    CHECK(file >= 0 && dprintf(file, "%llu", guest_now()) > 0);
    if (fork() == 0) {
        char text[64] = "", path[64] = "";
        int result = chroot(place);
        printf("root %d errno %d\n", result, result ? errno : 0);
        if (result == 0) {
            CHECK(chdir("/") == 0 && getcwd(path, sizeof path));
            int inner = open("/inside", O_RDONLY);
            CHECK(inner >= 0 && read(inner, text, sizeof text - 1) > 0);
            printf("in %s: %s, %d errno %d\n", path, text, open("/etc/passwd", O_RDONLY), errno);
        }
        printf("personality %x", personality(ADDR_COMPAT_LAYOUT) != -1);
        printf(" %x\n", personality(0xffffffff) & ADDR_COMPAT_LAYOUT);
        fflush(stdout);
        _exit(0);
    }
    CHECK(wait(&status) > 0 && status == 0 && unlink("inside") == 0);
    guest_leave(place);
    return 0;
}
