// Where in a file one is: holes and data, appending, an offset shared with a duplicate and a child.
#include "guest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

int main(void) {
    const char *place = guest_enter();
    char text[32], buffer[32] = "";
    int status;
    int file = open("holes", O_RDWR | O_CREAT, 0600);
    snprintf(text, sizeof text, "%llu", guest_now());
    CHECK(pwrite(file, text, strlen(text), 1 << 20) > 0 && pwrite(file, "x", 1, 8 << 20) == 1);
    off_t data = lseek(file, 0, SEEK_DATA);
    off_t hole = lseek(file, data, SEEK_HOLE);
    printf("%s: data at %lld, hole at %lld, end %lld\n", place, (long long)data, (long long)hole,
           (long long)lseek(file, 0, SEEK_END));
    printf("beyond %lld errno %d\n", (long long)lseek(file, 9 << 20, SEEK_DATA), errno);
    CHECK(lseek(file, 1 << 20, SEEK_SET) == 1 << 20);
    int copy = dup(file);
    CHECK(read(copy, buffer, 4) == 4);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        CHECK(read(file, buffer + 4, 3) == 3);
        printf("child %d read %s\n", getpid(), buffer);
        fflush(stdout);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    printf("after the child at %lld\n", (long long)lseek(file, 0, SEEK_CUR) - (1 << 20));
    CHECK(fcntl(copy, F_SETFL, O_APPEND) == 0);
    CHECK(write(file, text, 5) == 5);
    printf("appended up to %lld, flags %x\n", (long long)lseek(copy, 0, SEEK_CUR), fcntl(file, F_GETFL));
    CHECK(unlink("holes") == 0);
    struct stat gone;
    CHECK(fstat(file, &gone) == 0);
    printf("inode %llu links %lu blocks %lld\n", (unsigned long long)gone.st_ino, (unsigned long)gone.st_nlink,
           (long long)gone.st_blocks);
    guest_leave(place);
    return 0;
}
