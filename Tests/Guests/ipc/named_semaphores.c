// Named semaphores between a parent and its children.
#include "guest.h"

#include <fcntl.h>
#include <semaphore.h>
#include <sys/wait.h>

int main(void) {
    char name[64];
    int status, value;
    snprintf(name, sizeof name, "/castor-guest-%d", getpid());
    sem_t *lock = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
    CHECK(lock != SEM_FAILED);
    for (int i = 0; i < 3; i++) {
        if (fork()) continue;
        for (int k = 0; k < 4; k++) {
            CHECK(sem_wait(lock) == 0);
            char line[64];
            int length = snprintf(line, sizeof line, "%d in it at %llu\n", getpid(), guest_now());
            CHECK(write(1, line, (size_t)length) == length);
            CHECK(sem_post(lock) == 0);
        }
        _exit(0);
    }
    for (int i = 0; i < 3; i++) CHECK(wait(&status) > 0 && status == 0);
    CHECK(sem_getvalue(lock, &value) == 0 && sem_trywait(lock) == 0);
    printf("value %d, then %d errno %d\n", value, sem_trywait(lock), errno);
    struct timespec until = guest_deadline(CLOCK_REALTIME, 1000000);
    printf("in vain %d errno %d\n", sem_timedwait(lock, &until), errno);
    CHECK(sem_close(lock) == 0 && sem_unlink(name) == 0);
    return 0;
}
