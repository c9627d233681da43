// POSIX shared memory that a parent and its child open by name, with a lock inside it.
#include "guest.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int turn;
    char text[100];
};

static struct shared *map_it(const char *name, int flags) {
    int file = shm_open(name, O_RDWR | flags, 0600);
    CHECK(file >= 0 && (!flags || ftruncate(file, sizeof(struct shared)) == 0));
    struct shared *map = mmap(NULL, sizeof *map, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED && close(file) == 0);
    return map;
}

int main(void) {
    char name[64];
    int status;
    snprintf(name, sizeof name, "/castor-guest-%d", getpid());
    struct shared *shared = map_it(name, O_CREAT | O_EXCL);
    pthread_mutexattr_t mutex;
    pthread_condattr_t condition;
    pthread_mutexattr_init(&mutex);
    pthread_condattr_init(&condition);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
    CHECK(pthread_mutex_init(&shared->mutex, &mutex) == 0 && pthread_cond_init(&shared->changed, &condition) == 0);
    pid_t child = fork();
    int mine = child == 0;
    if (mine) {
        // The inherited mapping keeps its address, so the child's own lies elsewhere.
        struct shared *own = map_it(name, 0);
        CHECK(own != shared);
        snprintf(own->text, sizeof own->text, "begun by %d", getpid());
    }
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_mutex_lock(&shared->mutex) == 0);
        while (shared->turn % 2 == mine) CHECK(pthread_cond_wait(&shared->changed, &shared->mutex) == 0);
        size_t length = strlen(shared->text);
        snprintf(shared->text + length, sizeof shared->text - length, " %c%llu", mine ? 'c' : 'p', guest_now() % 1000);
        shared->turn++;
        CHECK(pthread_cond_broadcast(&shared->changed) == 0 && pthread_mutex_unlock(&shared->mutex) == 0);
    }
    if (mine) _exit(0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    printf("%s: %s\n", name, shared->text);
    CHECK(shm_unlink(name) == 0);
    printf("gone %d errno %d\n", shm_open(name, O_RDWR, 0), errno);
    return 0;
}
