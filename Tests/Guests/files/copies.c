// Bytes that the kernel carries: copy_file_range and sendfile. What the program then reads comes from the log.
#include "guest.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

int main(void) {
    const char *place = guest_enter();
    char text[128] = "";
    int from = open("from", O_RDWR | O_CREAT, 0600), to = open("to", O_RDWR | O_CREAT, 0600), pipes[2];
    CHECK(from >= 0 && to >= 0 && pipe(pipes) == 0);
    CHECK(dprintf(from, "%d at %llu in %s", getpid(), guest_now(), place) > 0);
    off_t at = 3, there = 10;
    ssize_t length = copy_file_range(from, &at, to, &there, 20, 0);
    printf("copied %zd, now at %lld and %lld\n", length, (long long)at, (long long)there);
    at = 1;
    length = sendfile(to, from, &at, 12);
    printf("sent %zd, now at %lld\n", length, (long long)at);
    length = sendfile(pipes[1], from, NULL, 100);
    printf("from the end %zd\n", length);
    CHECK(lseek(from, 2, SEEK_SET) == 2);
    length = sendfile(pipes[1], from, NULL, 9);
    int waiting;
    CHECK(ioctl(pipes[0], FIONREAD, &waiting) == 0);
    printf("into a pipe %zd, %d wait\n", length, waiting);
    CHECK(read(pipes[0], text, sizeof text) > 0);
    printf("%s\n", text);
    memset(text, 0, sizeof text);
    length = pread(to, text, sizeof text, 0);
    for (ssize_t i = 0; i < length; i++) text[i] = text[i] ? text[i] : '.';
    printf("%s\n", text);
    printf("reflink %d errno %d\n", ioctl(to, 0x40049409, from), errno); // FICLONE
    CHECK(unlink("from") == 0 && unlink("to") == 0);
    guest_leave(place);
    return 0;
}
