// Condition variables: a bounded queue between producers and consumers, some of which wait with a timeout, and a gate
// that all threads pass together after a broadcast. Prints who consumed what, and the order of waking.
#include "guest.h"

enum { CAPACITY = 8, TIMEOUT_NS = 100000, GATE_ROUNDS_MAX = 200 };

struct consumer {
    uint64_t items;
    uint64_t order;
    uint64_t timeouts;
    uint64_t empty_wakes; // woken, and another had taken the item
};

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER;
// Guarded by queue_lock.
static uint64_t queue[CAPACITY];
static int queue_first, queue_length, producers_left;
static uint64_t queue_order = GUEST_HASH_START;

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_open = PTHREAD_COND_INITIALIZER;
// Guarded by gate_lock.
static int gate_arrived, gate_round;
static uint64_t gate_order = GUEST_HASH_START;

static struct consumer consumers[GUEST_THREADS_MAX];
static int threads, iterations;

static void *producer_thread(void *argument) {
    uint64_t producer = (uint64_t)(intptr_t)argument;
    for (int i = 0; i < iterations; i++) {
        // A pause lets the consumers' timeouts run out.
        if (i % 64 == 63) nanosleep(&(struct timespec){.tv_nsec = TIMEOUT_NS}, NULL);
        pthread_mutex_lock(&queue_lock);
        while (queue_length == CAPACITY) pthread_cond_wait(&not_full, &queue_lock);
        queue[(queue_first + queue_length++) % CAPACITY] = producer << 32 | (uint64_t)i;
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&queue_lock);
    }
    pthread_mutex_lock(&queue_lock);
    if (--producers_left == 0) pthread_cond_broadcast(&not_empty);
    pthread_mutex_unlock(&queue_lock);
    return NULL;
}

// Consumers wait in three ways: without a timeout, until a time of not_empty's clock, until a time of a named clock.
static int wait_for_item(int way) {
    struct timespec deadline;
    switch (way % 3) {
    case 1:
        deadline = guest_deadline(CLOCK_MONOTONIC, TIMEOUT_NS);
        return pthread_cond_timedwait(&not_empty, &queue_lock, &deadline);
    case 2:
        deadline = guest_deadline(CLOCK_REALTIME, TIMEOUT_NS);
        return pthread_cond_clockwait(&not_empty, &queue_lock, CLOCK_REALTIME, &deadline);
    default: return pthread_cond_wait(&not_empty, &queue_lock);
    }
}

static void *consumer_thread(void *argument) {
    int index = (int)(intptr_t)argument;
    struct consumer *consumer = &consumers[index];
    consumer->order = GUEST_HASH_START;
    pthread_mutex_lock(&queue_lock);
    for (;;) {
        while (queue_length == 0 && producers_left > 0) {
            int status = wait_for_item(index);
            CHECK(status == 0 || status == ETIMEDOUT);
            if (status == ETIMEDOUT) consumer->timeouts++;
            else if (queue_length == 0) consumer->empty_wakes++;
        }
        if (queue_length == 0) break;
        uint64_t item = queue[queue_first];
        queue_first = (queue_first + 1) % CAPACITY;
        queue_length--;
        queue_order = guest_hash(queue_order, item ^ (uint64_t)index << 60);
        consumer->items++;
        consumer->order = guest_hash(consumer->order, item);
        pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&queue_lock);
        pthread_mutex_lock(&queue_lock);
    }
    pthread_mutex_unlock(&queue_lock);
    return NULL;
}

static void *gate_thread(void *argument) {
    uint64_t index = (uint64_t)(intptr_t)argument;
    int rounds = iterations < GATE_ROUNDS_MAX ? iterations : GATE_ROUNDS_MAX;
    pthread_mutex_lock(&gate_lock);
    for (int round = 0; round < rounds; round++) {
        if (++gate_arrived == threads) {
            gate_arrived = 0;
            gate_round++;
            pthread_cond_broadcast(&gate_open);
        } else {
            while (gate_round == round) pthread_cond_wait(&gate_open, &gate_lock);
        }
        gate_order = guest_hash(gate_order, index);
    }
    pthread_mutex_unlock(&gate_lock);
    return NULL;
}

static void *queue_thread(void *argument) {
    intptr_t index = (intptr_t)argument;
    return index < threads ? producer_thread(argument) : consumer_thread((void *)(index - threads));
}

int main(int count, char **arguments) {
    threads = guest_number(count, arguments, 1, 4, GUEST_THREADS_MAX / 2);
    iterations = guest_iterations(count, arguments, 2000);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&not_empty, &attributes);
    pthread_condattr_destroy(&attributes);

    producers_left = threads;
    guest_run_threads(2 * threads, queue_thread);
    for (int i = 0; i < threads; i++)
        printf("consumer %d items %llu order %016llx timeouts %llu empty_wakes %llu\n", i,
               (unsigned long long)consumers[i].items, (unsigned long long)consumers[i].order,
               (unsigned long long)consumers[i].timeouts, (unsigned long long)consumers[i].empty_wakes);
    printf("queue order %016llx\n", (unsigned long long)queue_order);

    guest_run_threads(threads, gate_thread);
    printf("gate rounds %d order %016llx\n", gate_round, (unsigned long long)gate_order);
    return 0;
}
