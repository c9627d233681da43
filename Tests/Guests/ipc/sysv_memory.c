// System V shared memory between a parent and its children, attached before and after the fork.
#include "guest.h"

#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>

int main(void) {
    struct shmid_ds status;
    int ready[2], ended;
    char byte;
    int segment = shmget(IPC_PRIVATE, 10000, IPC_CREAT | 0600);
    CHECK(segment >= 0 && pipe(ready) == 0);
    char *before = shmat(segment, NULL, 0);
    CHECK(before != (void *)-1);
    printf("segment %d at %p, zero %d\n", segment, (void *)before, before[9999]);
    fflush(stdout);
    snprintf(before, 64, "%d at %llu", getpid(), guest_now());
    pid_t child = fork();
    if (child == 0) {
        char *own = shmat(segment, NULL, SHM_RDONLY);
        CHECK(own != (void *)-1);
        printf("child reads %s at %p and %s\n", own, (void *)own, before);
        fflush(stdout);
        snprintf(before + 5000, 64, "child %d at %llu", getpid(), guest_now());
        CHECK(write(ready[1], "", 1) == 1);
        _exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    char *again = shmat(segment, NULL, 0);
    printf("parent reads %s at %p\n", again + 5000, (void *)again);
    CHECK(waitpid(child, &ended, 0) == child && ended == 0);
    CHECK(shmctl(segment, IPC_STAT, &status) == 0);
    printf("%zu bytes, %lu attached, made by %d, last by %d at %ld\n", status.shm_segsz, status.shm_nattch,
           status.shm_cpid, status.shm_lpid, (long)status.shm_atime);
    CHECK(shmdt(again) == 0 && shmdt(before) == 0);
    printf("not attached %d errno %d\n", shmdt(before), errno);
    char *fixed = shmat(segment, (void *)0x300000000, 0);
    CHECK(fixed == (void *)0x300000000);
    printf("kept: %s\n", fixed + 5000);
    CHECK(shmctl(segment, IPC_RMID, NULL) == 0 && shmdt(fixed) == 0);
    struct shminfo info;
    CHECK(shmctl(0, IPC_INFO, (struct shmid_ds *)&info) >= 0);
    printf("limits %lu %lu\n", info.shmmax, info.shmmni);
    printf("gone %p errno %d\n", shmat(segment, NULL, 0), errno);
    return 0;
}
