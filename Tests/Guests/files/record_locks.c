// Locks on parts of a file: of processes, and of open files.
#include "guest.h"

#include <fcntl.h>
#include <sys/wait.h>

int main(void) {
    const char *place = guest_enter();
    int ready[2], status;
    char byte;
    int file = open("file", O_RDWR | O_CREAT, 0600);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
    CHECK(file >= 0 && pipe(ready) == 0 && fcntl(file, F_SETLK, &lock) == 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct flock wanted = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 100};
        int result = fcntl(file, F_SETLK, &wanted);
        printf("child %d: %d errno %d\n", getpid(), result, errno);
        CHECK(fcntl(file, F_GETLK, &wanted) == 0);
        printf("held by %d type %d from %lld for %lld\n", wanted.l_pid, wanted.l_type, (long long)wanted.l_start,
               (long long)wanted.l_len);
        CHECK(write(ready[1], "", 1) == 1);
        wanted = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 100};
        CHECK(fcntl(file, F_SETLKW, &wanted) == 0);
        printf("child got it at %llu\n", guest_now());
        fflush(stdout);
        _exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    lock.l_type = F_UNLCK;
    CHECK(fcntl(file, F_SETLK, &lock) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    int other = open("file", O_RDWR);
    lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 8};
    CHECK(fcntl(file, F_OFD_SETLK, &lock) == 0);
    int result = fcntl(other, F_OFD_SETLK, &lock);
    printf("open file: %d errno %d", result, errno);
    CHECK(fcntl(other, F_OFD_GETLK, &lock) == 0);
    printf(" held by %d type %d for %lld\n", lock.l_pid, lock.l_type, (long long)lock.l_len);
    close(file);
    lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 8};
    CHECK(fcntl(other, F_OFD_SETLKW, &lock) == 0);
    CHECK(lockf(other, F_TLOCK, 0) == -1 || errno == 0);
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
