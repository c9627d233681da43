// Read-write locks, spinlocks, barriers, semaphores, once and thread-specific keys.
#include "guest.h"

#include <sched.h>
#include <semaphore.h>

enum { TIMEOUT_NS = 50000, ROUNDS_MAX = 200, PERMITS = 2 };

struct outcome {
    uint64_t seen; // hash of the versions read
    uint64_t busy;
    uint64_t timeouts;
    uint64_t permits_seen; // hash of sem_getvalue
};

static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;
static uint64_t table_version, table_order = GUEST_HASH_START; // table_lock

static pthread_spinlock_t spin;
static uint64_t spin_order = GUEST_HASH_START; // spin

static pthread_barrier_t barrier;
static pthread_mutex_t serial_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t serial_order = GUEST_HASH_START; // serial_lock

static sem_t permits;
static pthread_mutex_t permit_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t permit_order = GUEST_HASH_START; // permit_lock

static pthread_once_t once[ROUNDS_MAX];
static __thread int this_thread;
static int once_round;          // changed between barriers by the serial thread only
static int once_ran[ROUNDS_MAX]; // written inside once

static pthread_key_t keys[3];
static pthread_mutex_t destroyed_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t destroyed_order = GUEST_HASH_START, destroyed; // destroyed_lock

static struct outcome outcomes[GUEST_THREADS_MAX];
static int iterations;

static void count_refusal(struct outcome *outcome, int status) {
    CHECK(status == 0 || status == EBUSY || status == ETIMEDOUT);
    outcome->busy += status == EBUSY;
    outcome->timeouts += status == ETIMEDOUT;
}

static void use_table(int thread, struct outcome *outcome, uint64_t choice) {
    struct timespec deadline;
    bool write = choice % 4 == 0;
    int status;
    switch (choice / 4 % 4) {
    case 0: status = write ? pthread_rwlock_trywrlock(&table_lock) : pthread_rwlock_tryrdlock(&table_lock); break;
    case 1:
        deadline = guest_deadline(CLOCK_REALTIME, TIMEOUT_NS);
        status = write ? pthread_rwlock_timedwrlock(&table_lock, &deadline)
                       : pthread_rwlock_timedrdlock(&table_lock, &deadline);
        break;
    default: status = write ? pthread_rwlock_wrlock(&table_lock) : pthread_rwlock_rdlock(&table_lock); break;
    }
    count_refusal(outcome, status);
    if (status != 0) return;
    if (write) {
        table_version++;
        table_order = guest_hash(table_order, (uint64_t)thread);
        if (choice / 16 % 64 == 0) nanosleep(&(struct timespec){.tv_nsec = 2 * TIMEOUT_NS}, NULL);
    } else {
        outcome->seen = guest_hash(outcome->seen, table_version);
        if (choice / 16 % 8 == 0) sched_yield();
    }
    CHECK(pthread_rwlock_unlock(&table_lock) == 0);
}

static void use_spin(int thread, struct outcome *outcome, uint64_t choice) {
    if (choice % 2 == 0) {
        int status = pthread_spin_trylock(&spin);
        count_refusal(outcome, status);
        if (status != 0) return;
    } else {
        pthread_spin_lock(&spin);
    }
    spin_order = guest_hash(spin_order, (uint64_t)thread);
    pthread_spin_unlock(&spin);
}

static void use_permit(int thread, struct outcome *outcome, uint64_t choice) {
    struct timespec deadline;
    int status;
    switch (choice % 3) {
    case 0: status = sem_trywait(&permits); break;
    case 1:
        deadline = guest_deadline(CLOCK_REALTIME, TIMEOUT_NS);
        status = sem_timedwait(&permits, &deadline);
        break;
    default: status = sem_wait(&permits); break;
    }
    if (status != 0) {
        outcome->busy += errno == EAGAIN;
        outcome->timeouts += errno == ETIMEDOUT;
        return;
    }
    int value = -1;
    sem_getvalue(&permits, &value);
    outcome->permits_seen = guest_hash(outcome->permits_seen, (uint64_t)value);
    pthread_mutex_lock(&permit_lock);
    permit_order = guest_hash(permit_order, (uint64_t)thread);
    pthread_mutex_unlock(&permit_lock);
    if (choice / 3 % 32 == 0) nanosleep(&(struct timespec){.tv_nsec = 2 * TIMEOUT_NS}, NULL);
    CHECK(sem_post(&permits) == 0);
}

static void run_once(void) {
    once_ran[once_round] = this_thread;
}

// All threads race for one pthread_once per round, between two barriers.
static void race_rounds(int thread) {
    int rounds = iterations < ROUNDS_MAX ? iterations : ROUNDS_MAX;
    this_thread = thread;
    for (int round = 0; round < rounds; round++) {
        pthread_barrier_wait(&barrier);
        CHECK(pthread_once(&once[round], run_once) == 0);
        int status = pthread_barrier_wait(&barrier);
        CHECK(status == 0 || status == PTHREAD_BARRIER_SERIAL_THREAD);
        if (status != PTHREAD_BARRIER_SERIAL_THREAD) continue;
        once_round = round + 1;
        pthread_mutex_lock(&serial_lock);
        serial_order = guest_hash(serial_order, (uint64_t)thread);
        pthread_mutex_unlock(&serial_lock);
    }
}

static void destroy_value(void *value) {
    pthread_mutex_lock(&destroyed_lock);
    destroyed_order = guest_hash(destroyed_order, (uint64_t)(uintptr_t)value);
    destroyed++;
    pthread_mutex_unlock(&destroyed_lock);
}

// Sets its own key again once: libc calls such a destructor a second time.
static void destroy_twice(void *value) {
    destroy_value(value);
    if ((uintptr_t)value < 1000) pthread_setspecific(keys[2], (void *)((uintptr_t)value + 1000));
}

static void *guest_thread(void *argument) {
    int thread = (int)(intptr_t)argument;
    struct outcome *outcome = &outcomes[thread];
    outcome->seen = outcome->permits_seen = GUEST_HASH_START;
    for (int i = 0; i < 3; i++) pthread_setspecific(keys[i], (void *)(intptr_t)(thread * 3 + i + 1));
    uint64_t random = (uint64_t)thread + 1;
    for (int i = 0; i < iterations; i++) {
        uint64_t choice = guest_random(&random) >> 20;
        if (choice % 8 < 4) use_table(thread, outcome, choice / 8);
        else if (choice % 8 < 6) use_spin(thread, outcome, choice / 8);
        else use_permit(thread, outcome, choice / 8);
    }
    race_rounds(thread);
    CHECK(pthread_getspecific(keys[0]) == (void *)(intptr_t)(thread * 3 + 1));
    return NULL;
}

int main(int count, char **arguments) {
    int threads = guest_threads(count, arguments);
    iterations = guest_iterations(count, arguments, 3000);
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    sem_init(&permits, 0, PERMITS);
    pthread_once_t fresh = PTHREAD_ONCE_INIT;
    for (int i = 0; i < ROUNDS_MAX; i++) once[i] = fresh;
    pthread_key_create(&keys[0], NULL);
    pthread_key_create(&keys[1], destroy_value);
    pthread_key_create(&keys[2], destroy_twice);

    guest_run_threads(threads, guest_thread);

    uint64_t once_order = GUEST_HASH_START;
    for (int i = 0; i < once_round; i++) once_order = guest_hash(once_order, (uint64_t)once_ran[i]);
    printf("table versions %llu order %016llx\n", (unsigned long long)table_version, (unsigned long long)table_order);
    printf("spin order %016llx\n", (unsigned long long)spin_order);
    printf("permits order %016llx\n", (unsigned long long)permit_order);
    printf("rounds %d serial %016llx once %016llx\n", once_round, (unsigned long long)serial_order,
           (unsigned long long)once_order);
    printf("destroyed %llu order %016llx\n", (unsigned long long)destroyed, (unsigned long long)destroyed_order);
    for (int i = 0; i < threads; i++)
        printf("thread %d seen %016llx permits %016llx busy %llu timeouts %llu\n", i,
               (unsigned long long)outcomes[i].seen, (unsigned long long)outcomes[i].permits_seen,
               (unsigned long long)outcomes[i].busy, (unsigned long long)outcomes[i].timeouts);
    return 0;
}
