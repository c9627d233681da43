// Bytes moved between pipes and files without passing through the program.
#include "guest.h"

#include <fcntl.h>
#include <sys/uio.h>

static void tell(const char *what, int pipe, ssize_t count) {
    char text[128] = "";
    printf("%s %zd: ", what, count);
    if (count > 0) CHECK(read(pipe, text, (size_t)count) == count);
    printf("%s\n", text);
}

int main(void) {
    const char *place = guest_enter();
    char text[64];
    int a[2], b[2], file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && pipe(a) == 0 && pipe(b) == 0);
    int length = snprintf(text, sizeof text, "%s at %llu", place, guest_now());
    CHECK(write(file, text, (size_t)length) == length);
    loff_t at = 5;
    ssize_t count = splice(file, &at, a[1], NULL, 20, 0);
    printf("now at %lld\n", (long long)at);
    ssize_t copied = tee(a[0], b[1], 100, 0);
    tell("tee", b[0], copied);
    tell("splice", a[0], count);
    struct iovec parts[2] = {{text, 10}, {"!", 1}};
    count = vmsplice(a[1], parts, 2, 0);
    tell("vmsplice", a[0], count);
    CHECK(write(a[1], text, (size_t)length) == length);
    at = 100;
    count = splice(a[0], NULL, file, &at, 15, SPLICE_F_MOVE);
    printf("into the file %zd, now at %lld\n", count, (long long)at);
    tell("the rest", a[0], length - count);
    count = splice(a[0], NULL, b[1], NULL, 10, SPLICE_F_NONBLOCK);
    printf("empty %zd errno %d\n", count, errno);
    CHECK(write(a[1], "taken out", 9) == 9);
    char into[16] = "";
    struct iovec out = {into, sizeof into};
    count = vmsplice(a[0], &out, 1, 0);
    printf("vmsplice out %zd: %s\n", count, into);
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
