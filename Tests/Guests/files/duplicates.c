// Descriptors copied and closed in every way.
#include "guest.h"

#include <fcntl.h>
#include <sys/stat.h>

int main(void) {
    const char *place = guest_enter();
    struct stat status;
    char text[40] = "";
    int file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && dprintf(file, "%d at %llu", getpid(), guest_now()) > 0);
    int copies[] = {dup(file), dup2(file, 50), dup3(file, 51, O_CLOEXEC), dup2(file, file)};
    printf("%s: %d %d %d %d, flags %d\n", place, copies[0], copies[1], copies[2], copies[3], fcntl(51, F_GETFD));
    printf("same: %d errno %d\n", dup3(file, file, 0), errno);
    CHECK(pread(50, text, sizeof text - 1, 0) > 0 && lseek(51, 3, SEEK_SET) == 3);
    printf("%s from %lld\n", text, (long long)lseek(file, 0, SEEK_CUR));
    int output = dup(STDOUT_FILENO);
    CHECK(dprintf(output, "through a duplicate, %d\n", getpid()) > 0);
    CHECK(dup2(file, STDOUT_FILENO) == STDOUT_FILENO && printf("into the file\n") > 0 && fflush(stdout) == 0);
    CHECK(dup2(output, STDOUT_FILENO) == STDOUT_FILENO);
    CHECK(fstat(file, &status) == 0);
    printf("size %lld inode %llu\n", (long long)status.st_size, (unsigned long long)status.st_ino);
    CHECK(dup2(STDOUT_FILENO, 60) == 60 && dprintf(60, "on 60\n") > 0);
    CHECK(close_range(50, 52, CLOSE_RANGE_CLOEXEC) == 0);
    printf("kept %d", fcntl(50, F_GETFD));
    CHECK(close_range(50, 100, 0) == 0);
    printf(" closed %d errno %d\n", fcntl(50, F_GETFD), errno);
    printf("next %d\n", dup(file));
    CHECK(close(60) == -1 && close_range(9, 8, 0) == -1 && errno == EINVAL);
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
