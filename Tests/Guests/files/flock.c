// flock between processes: who gets the lock when is in the log.
#include "guest.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

int main(void) {
    const char *place = guest_enter();
    int status;
    CHECK(close(open("file", O_RDWR | O_CREAT, 0600)) == 0);
    fflush(stdout);
    for (int i = 0; i < 3; i++) {
        if (fork()) continue;
        int file = open("file", O_RDWR);
        int refused = 0;
        while (flock(file, LOCK_EX | LOCK_NB) != 0) refused++, usleep(200);
        char last[64] = "";
        CHECK(pread(file, last, sizeof last - 1, 0) >= 0);
        printf("%d after '%s', refused %d times\n", getpid(), last, refused);
        fflush(stdout);
        int length = snprintf(last, sizeof last, "%d at %llu", getpid(), guest_now());
        CHECK(ftruncate(file, 0) == 0 && pwrite(file, last, (size_t)length, 0) == length);
        usleep(1000);
        CHECK(flock(file, LOCK_UN) == 0 && flock(file, LOCK_SH) == 0);
        _exit(0);
    }
    for (int i = 0; i < 3; i++) CHECK(wait(&status) > 0 && status == 0);
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
