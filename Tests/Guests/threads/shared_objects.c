// Mutex, condition variable, semaphore, barrier, read-write lock and spin lock shared by processes.
#include "../small.h"

#include <semaphore.h>

static struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_rwlock_t rwlock;
    pthread_barrier_t barrier;
    pthread_spinlock_t spin;
    sem_t semaphore;
    int turns, spins;
    uint64_t order, written, taken; // under the mutex, the read-write lock and the semaphore
} *shared;

static void work(int me) {
    pthread_barrier_wait(&shared->barrier);
    for (int i = 0; i < 30; i++) {
        pthread_mutex_lock(&shared->mutex);
        shared->order = guest_hash(shared->order, (uint64_t)me);
        shared->turns++;
        pthread_cond_broadcast(&shared->changed);
        pthread_mutex_unlock(&shared->mutex);
        pthread_rwlock_wrlock(&shared->rwlock);
        shared->written = guest_hash(shared->written, (uint64_t)me);
        pthread_rwlock_unlock(&shared->rwlock);
        pthread_spin_lock(&shared->spin);
        shared->spins++;
        pthread_spin_unlock(&shared->spin);
        sem_wait(&shared->semaphore);
        shared->taken = guest_hash(shared->taken, (uint64_t)me);
        sem_post(&shared->semaphore);
    }
}

int main(void) {
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex;
    pthread_condattr_t cond;
    pthread_rwlockattr_t rwlock;
    pthread_barrierattr_t barrier;
    pthread_mutexattr_init(&mutex), pthread_condattr_init(&cond);
    pthread_rwlockattr_init(&rwlock), pthread_barrierattr_init(&barrier);
    pthread_mutexattr_setpshared(&mutex, 1), pthread_condattr_setpshared(&cond, 1);
    pthread_rwlockattr_setpshared(&rwlock, 1), pthread_barrierattr_setpshared(&barrier, 1);
    pthread_mutex_init(&shared->mutex, &mutex), pthread_cond_init(&shared->changed, &cond);
    pthread_rwlock_init(&shared->rwlock, &rwlock), pthread_barrier_init(&shared->barrier, &barrier, 3);
    pthread_spin_init(&shared->spin, 1), sem_init(&shared->semaphore, 1, 1);
    for (int i = 0; i < 2; i++) {
        if (fork_surely() == 0) {
            work(i);
            _exit(0);
        }
    }
    work(2);
    pthread_mutex_lock(&shared->mutex);
    while (shared->turns < 90) pthread_cond_wait(&shared->changed, &shared->mutex);
    pthread_mutex_unlock(&shared->mutex);
    while (wait(NULL) > 0) {}
    uint64_t order = guest_hash(guest_hash(shared->order, shared->written), shared->taken);
    printf("turns %d spins %d order %016llx\n", shared->turns, shared->spins, (unsigned long long)order);
}
