// Reads and writes over several buffers, at the offset and at others.
#include "guest.h"

#include <fcntl.h>
#include <sys/uio.h>

int main(void) {
    const char *place = guest_enter();
    char text[64], first[10] = "", second[30] = "", third[8] = "";
    int file = open("data", O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(file >= 0);
    snprintf(text, sizeof text, "%d at %llu", getpid(), guest_now());
    struct iovec out[3] = {{"begin ", 6}, {text, strlen(text)}, {" end", 4}};
    ssize_t written = writev(file, out, 3);
    CHECK(written > 10);
    CHECK(pwritev(file, out, 2, written) > 0);
    CHECK(pwritev2(file, out, 1, 100, 0) == 6);
    CHECK(pwritev2(file, out, 1, -1, RWF_APPEND) == 6 || errno == EOPNOTSUPP);
    CHECK(lseek(file, 0, SEEK_SET) == 0);
    struct iovec in[3] = {{first, sizeof first}, {second, sizeof second}, {third, sizeof third}};
    ssize_t length = readv(file, in, 3);
    printf("readv %zd: %.10s|%.30s|%.8s\n", length, first, second, third);
    length = preadv(file, in, 2, 3);
    printf("preadv %zd: %.10s|%.30s\n", length, first, second);
    length = preadv2(file, in, 3, 100, 0);
    printf("preadv2 %zd: %.10s\n", length, first);
    length = preadv2(file, in, 3, -1, RWF_NOWAIT);
    printf("not waiting %zd errno %d\n", length < 0 ? -1 : length, length < 0 ? errno : 0);
    length = preadv(file, in, 3, 1000);
    printf("behind the end %zd\n", length);
    volatile int many = 5000;
    struct iovec bad = {(void *)8, 4};
    printf("bad address %zd errno %d", preadv(file, &bad, 1, 0), errno);
    printf(" too many %zd errno %d\n", readv(file, in, many), errno);
    close(file);
    CHECK(unlink("data") == 0);
    guest_leave(place);
    return 0;
}
