// System V semaphores: operations of several at once, values of all, who waits, and what is known of a set.
#include "guest.h"

#include <sys/sem.h>
#include <sys/wait.h>

union semun {
    int value;
    struct semid_ds *status;
    unsigned short *array;
    struct seminfo *info;
};

int main(void) {
    unsigned short values[3] = {1, 0, 5}, got[3] = {0};
    struct semid_ds status;
    struct seminfo info;
    int ended;
    int set = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
    CHECK(set >= 0 && semctl(set, 0, SETALL, (union semun){.array = values}) == 0);
    for (int i = 0; i < 3; i++) {
        if (fork()) continue;
        for (int k = 0; k < 5; k++) {
            struct sembuf take = {0, -1, SEM_UNDO}, give[2] = {{0, 1, SEM_UNDO}, {1, 1, 0}};
            CHECK(semop(set, &take, 1) == 0);
            char line[64];
            int length = snprintf(line, sizeof line, "%d holds it, %d\n", getpid(), semctl(set, 1, GETVAL));
            CHECK(write(1, line, (size_t)length) == length && semop(set, give, 2) == 0);
        }
        _exit(0);
    }
    struct sembuf all = {1, -15, 0};
    CHECK(semop(set, &all, 1) == 0);
    for (int i = 0; i < 3; i++) CHECK(wait(&ended) > 0 && ended == 0);
    CHECK(semctl(set, 0, GETALL, (union semun){.array = got}) == 0);
    printf("set %d: %d %d %d\n", set, got[0], got[1], got[2]);
    CHECK(semctl(set, 2, SETVAL, (union semun){.value = 7}) == 0);
    printf("last by %d, waiting %d %d\n", semctl(set, 1, GETPID), semctl(set, 0, GETNCNT), semctl(set, 0, GETZCNT));
    CHECK(semctl(set, 0, IPC_STAT, (union semun){.status = &status}) == 0);
    printf("%lu semaphores, mode %o, operated %ld changed %ld\n", status.sem_nsems, status.sem_perm.mode,
           (long)status.sem_otime, (long)status.sem_ctime);
    CHECK(semctl(0, 0, IPC_INFO, (union semun){.info = &info}) >= 0);
    printf("limits %d %d %d\n", info.semmni, info.semmns, info.semmsl);
    struct timespec time = {0, 1000000};
    struct sembuf never = {1, -9, 0};
    printf("in vain %d errno %d\n", semtimedop(set, &never, 1, &time), errno);
    never.sem_flg = IPC_NOWAIT;
    printf("at once %d errno %d\n", semop(set, &never, 1), errno);
    CHECK(semctl(set, 0, IPC_RMID) == 0);
    printf("gone %d errno %d at %llu\n", semctl(set, 0, GETVAL), errno, guest_now());
    return 0;
}
