// Mutexes of every type, taken in every way. Each lock keeps a hash of the threads in the order in which they held it.
#include "guest.h"

#include <sched.h>

enum { NORMAL, RECURSIVE, ERRORCHECK, ADAPTIVE, ROBUST, TYPES, TIMEOUT_NS = 50000 };

static const char *const type_names[TYPES] = {"normal", "recursive", "errorcheck", "adaptive", "robust"};

struct lock {
    pthread_mutex_t mutex;
    // Guarded by the mutex.
    uint64_t order;
    uint64_t acquisitions;
};

struct outcome {
    uint64_t busy;
    uint64_t timeouts;
    uint64_t refused; // EDEADLK and EPERM of the error-checking mutex
};

static struct lock locks[TYPES];
static struct outcome outcomes[GUEST_THREADS_MAX]; // each its own thread's, read after the join
static int iterations;

static struct lock orphan; // robust; its holders end without unlocking
static uint64_t orphan_deaths;

static void init_lock(struct lock *lock, int type) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    if (type == RECURSIVE) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    if (type == ERRORCHECK) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    if (type == ADAPTIVE) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    if (type == ROBUST) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&lock->mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    lock->order = GUEST_HASH_START;
}

// Takes the lock in one of four ways; false when it was not to be had.
static bool acquire(struct lock *lock, unsigned way, struct outcome *outcome) {
    struct timespec deadline;
    int status;
    switch (way) {
    case 0:
        status = pthread_mutex_trylock(&lock->mutex);
        if (status == EBUSY) outcome->busy++;
        break;
    case 1:
        deadline = guest_deadline(CLOCK_REALTIME, TIMEOUT_NS);
        status = pthread_mutex_timedlock(&lock->mutex, &deadline);
        if (status == ETIMEDOUT) outcome->timeouts++;
        break;
    case 2:
        deadline = guest_deadline(CLOCK_MONOTONIC, TIMEOUT_NS);
        status = pthread_mutex_clocklock(&lock->mutex, CLOCK_MONOTONIC, &deadline);
        if (status == ETIMEDOUT) outcome->timeouts++;
        break;
    default: status = pthread_mutex_lock(&lock->mutex); break;
    }
    CHECK(status == 0 || status == EBUSY || status == ETIMEDOUT);
    return status == 0;
}

static void hold(struct lock *lock, int type, int thread, uint64_t choice, struct outcome *outcome) {
    lock->order = guest_hash(lock->order, (uint64_t)thread);
    lock->acquisitions++;
    if (type == RECURSIVE) {
        CHECK(pthread_mutex_lock(&lock->mutex) == 0);
        CHECK(pthread_mutex_trylock(&lock->mutex) == 0);
        pthread_mutex_unlock(&lock->mutex);
        pthread_mutex_unlock(&lock->mutex);
    }
    if (type == ERRORCHECK && pthread_mutex_lock(&lock->mutex) == EDEADLK) outcome->refused++;
    // Now and then the holder gives the processor away, or waits for longer than the timeout.
    if (choice % 16 == 0) sched_yield();
    if (choice % 256 == 1) nanosleep(&(struct timespec){.tv_nsec = 2 * TIMEOUT_NS}, NULL);
}

static void *lock_thread(void *argument) {
    int thread = (int)(intptr_t)argument;
    struct outcome *outcome = &outcomes[thread];
    uint64_t random = (uint64_t)thread + 1;
    for (int i = 0; i < iterations; i++) {
        uint64_t choice = guest_random(&random) >> 20;
        int type = (int)(choice % TYPES);
        if (acquire(&locks[type], choice / TYPES % 8, outcome)) {
            hold(&locks[type], type, thread, choice / (TYPES * 8), outcome);
            CHECK(pthread_mutex_unlock(&locks[type].mutex) == 0);
        }
        if (type == ERRORCHECK && pthread_mutex_unlock(&locks[type].mutex) == EPERM) outcome->refused++;
    }
    return NULL;
}

// Every thread but the last one ends as the owner; the next owner repairs the mutex.
static void *orphan_thread(void *argument) {
    int status = pthread_mutex_lock(&orphan.mutex);
    CHECK(status == 0 || status == EOWNERDEAD);
    if (status == EOWNERDEAD) {
        orphan_deaths++;
        CHECK(pthread_mutex_consistent(&orphan.mutex) == 0);
    }
    orphan.order = guest_hash(orphan.order, (uint64_t)(intptr_t)argument * 2 + (status == EOWNERDEAD));
    orphan.acquisitions++;
    if ((intptr_t)argument % 2 == 0) pthread_mutex_unlock(&orphan.mutex);
    return NULL;
}

int main(int count, char **arguments) {
    int threads = guest_threads(count, arguments);
    iterations = guest_iterations(count, arguments, 5000);
    for (int type = 0; type < TYPES; type++) init_lock(&locks[type], type);
    init_lock(&orphan, ROBUST);

    guest_run_threads(threads, lock_thread);
    for (int type = 0; type < TYPES; type++)
        printf("%-10s held %llu order %016llx\n", type_names[type], (unsigned long long)locks[type].acquisitions,
               (unsigned long long)locks[type].order);
    for (int i = 0; i < threads; i++)
        printf("thread %d busy %llu timeouts %llu refused %llu\n", i, (unsigned long long)outcomes[i].busy,
               (unsigned long long)outcomes[i].timeouts, (unsigned long long)outcomes[i].refused);

    guest_run_threads(threads, orphan_thread);
    printf("orphan held %llu deaths %llu order %016llx\n", (unsigned long long)orphan.acquisitions,
           (unsigned long long)orphan_deaths, (unsigned long long)orphan.order);
    return 0;
}
