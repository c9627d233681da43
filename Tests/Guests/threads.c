// Threads that come and go: joined, detached, ended by pthread_exit, polled with pthread_tryjoin_np, cancelled while
// they wait. Prints stack addresses, which depend on whose stack is reused, and return values.
#include "guest.h"

#include <unistd.h>

static int threads, iterations;

static pthread_mutex_t detached_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t detached_done = PTHREAD_COND_INITIALIZER;
static uint64_t detached_left, detached_order = GUEST_HASH_START; // detached_lock

static pthread_mutex_t wait_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wait_never = PTHREAD_COND_INITIALIZER;
static pthread_cond_t wait_ready = PTHREAD_COND_INITIALIZER;
static bool waiting;   // wait_lock
static int cleanups;   // wait_lock
static int read_pipe[2];

struct child {
    intptr_t index;
    uintptr_t stack; // written by the child, read after the join
};

__attribute__((noinline)) static void leave_from_below(void *value) {
    pthread_exit(value);
}

__attribute__((noinline)) static void leave(void *value) {
    leave_from_below(value);
    CHECK(false);
}

static void *child_thread(void *argument) {
    struct child *child = argument;
    child->stack = (uintptr_t)__builtin_frame_address(0);
    if (child->index % 2) leave((void *)(child->index * 10));
    return (void *)(child->index * 10);
}

// One spawner of several: creates and joins its children one after the other, so stacks wander between spawners.
struct spawner {
    uint64_t stacks; // hash
    uintptr_t last_stack;
    intptr_t sum;
    uint64_t busy;
};

static struct spawner spawners[GUEST_THREADS_MAX];

static void *spawner_thread(void *argument) {
    struct spawner *spawner = &spawners[(intptr_t)argument];
    spawner->stacks = GUEST_HASH_START;
    for (int i = 0; i < iterations; i++) {
        struct child child = {.index = i};
        pthread_t thread;
        void *value = NULL;
        CHECK(pthread_create(&thread, NULL, child_thread, &child) == 0);
        if (i % 3 == 0) {
            while (pthread_tryjoin_np(thread, &value) == EBUSY) {
                spawner->busy++;
                nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
            }
        } else if (i % 3 == 1) {
            struct timespec deadline = guest_deadline(CLOCK_REALTIME, 20000);
            int status = pthread_timedjoin_np(thread, &value, &deadline);
            spawner->busy += status == ETIMEDOUT;
            if (status != 0) CHECK(pthread_join(thread, &value) == 0);
        } else {
            CHECK(pthread_join(thread, &value) == 0);
        }
        CHECK(value == (void *)(child.index * 10));
        spawner->sum += (intptr_t)value;
        spawner->last_stack = child.stack;
        spawner->stacks = guest_hash(spawner->stacks, child.stack);
    }
    return NULL;
}

static void *detached_thread(void *argument) {
    pthread_mutex_lock(&detached_lock);
    detached_order = guest_hash(detached_order, (uint64_t)(intptr_t)argument);
    if (--detached_left == 0) pthread_cond_signal(&detached_done);
    pthread_mutex_unlock(&detached_lock);
    return NULL;
}

static void detached_storm(void) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    uint64_t stacks = GUEST_HASH_START;
    for (int i = 0; i < iterations; i++) {
        detached_left = (uint64_t)threads;
        for (intptr_t j = 0; j < threads; j++) {
            pthread_t thread;
            CHECK(pthread_create(&thread, j % 2 ? &attributes : NULL, detached_thread, (void *)j) == 0);
            stacks = guest_hash(stacks, (uint64_t)thread); // the descriptor lies at the top of the stack
            if (j % 2 == 0) CHECK(pthread_detach(thread) == 0);
        }
        pthread_mutex_lock(&detached_lock);
        while (detached_left > 0) pthread_cond_wait(&detached_done, &detached_lock);
        pthread_mutex_unlock(&detached_lock);
    }
    pthread_attr_destroy(&attributes);
    printf("detached order %016llx stacks %016llx\n", (unsigned long long)detached_order, (unsigned long long)stacks);
}

static void count_cleanup(void *argument) {
    (void)argument;
    cleanups++;
}

static void unlock_cleanup(void *argument) {
    cleanups += 10; // pthread_cond_wait took the mutex again before the handlers ran
    pthread_mutex_unlock(argument);
}

static void *cond_victim(void *argument) {
    (void)argument;
    pthread_mutex_lock(&wait_lock);
    pthread_cleanup_push(unlock_cleanup, &wait_lock);
    pthread_cleanup_push(count_cleanup, NULL);
    waiting = true;
    pthread_cond_signal(&wait_ready);
    for (;;) pthread_cond_wait(&wait_never, &wait_lock);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void lock_and_count_cleanup(void *argument) {
    pthread_mutex_lock(&wait_lock);
    cleanups += 100;
    pthread_mutex_unlock(&wait_lock);
    *(int *)argument = 1;
}

static void *read_victim(void *argument) {
    char byte;
    ssize_t length = -1;
    pthread_cleanup_push(lock_and_count_cleanup, argument);
    CHECK(write(read_pipe[1], "x", 1) == 1);
    // The first byte is the thread's own; the second never comes.
    for (;;) {
        length = read(read_pipe[0], &byte, 1);
        CHECK(length == 1);
    }
    pthread_cleanup_pop(0);
    return (void *)length;
}

// With cancellation disabled the request stays pending until the thread allows it.
static void *patient_victim(void *argument) {
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    pthread_mutex_lock(&wait_lock);
    waiting = true;
    pthread_cond_signal(&wait_ready);
    while (waiting) pthread_cond_wait(&wait_never, &wait_lock);
    cleanups += 1000;
    pthread_mutex_unlock(&wait_lock);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    pthread_testcancel();
    return argument;
}

static void wait_until_waiting(void) {
    pthread_mutex_lock(&wait_lock);
    while (!waiting) pthread_cond_wait(&wait_ready, &wait_lock);
    pthread_mutex_unlock(&wait_lock);
}

static void cancel_waiters(void) {
    pthread_t thread;
    void *value = NULL;
    CHECK(pthread_create(&thread, NULL, cond_victim, NULL) == 0);
    wait_until_waiting();
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &value) == 0);
    printf("cancelled in pthread_cond_wait: %s, cleanups %d\n", value == PTHREAD_CANCELED ? "yes" : "no", cleanups);

    int cleaned = 0;
    CHECK(pipe(read_pipe) == 0);
    CHECK(pthread_create(&thread, NULL, read_victim, &cleaned) == 0);
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); // the result is the same if it is not in read() yet
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &value) == 0);
    printf("cancelled in read: %s, cleaned %d, cleanups %d\n", value == PTHREAD_CANCELED ? "yes" : "no", cleaned,
           cleanups);
    close(read_pipe[0]);
    close(read_pipe[1]);

    waiting = false;
    CHECK(pthread_create(&thread, NULL, patient_victim, NULL) == 0);
    wait_until_waiting();
    CHECK(pthread_cancel(thread) == 0);
    pthread_mutex_lock(&wait_lock);
    waiting = false;
    pthread_cond_signal(&wait_never);
    pthread_mutex_unlock(&wait_lock);
    CHECK(pthread_join(thread, &value) == 0);
    printf("cancelled after enabling: %s, cleanups %d\n", value == PTHREAD_CANCELED ? "yes" : "no", cleanups);
}

int main(int count, char **arguments) {
    threads = guest_threads(count, arguments);
    iterations = guest_iterations(count, arguments, 100);
    printf("main thread %p frame %p\n", (void *)pthread_self(), __builtin_frame_address(0));
    guest_run_threads(threads, spawner_thread);
    for (int i = 0; i < threads; i++)
        printf("spawner %d sum %ld busy %llu last stack %p stacks %016llx\n", i, (long)spawners[i].sum,
               (unsigned long long)spawners[i].busy, (void *)spawners[i].last_stack,
               (unsigned long long)spawners[i].stacks);
    detached_storm();
    cancel_waiters();
    fflush(stdout);
    pthread_exit(NULL); // the process ends with its last thread, with status 0
}
