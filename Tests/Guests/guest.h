// What every guest program shares. A guest is a small program that a test records and replays: its transcript depends
// on the schedule, the clock, addresses or the outside, so a program that merely runs again prints something else.
//
// Rule: threads share memory under a pthread lock only. What is ordered is pthread operations, not plain memory.
#ifndef GUEST_H
#define GUEST_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { GUEST_THREADS_MAX = 64 };

#define CHECK(condition) guest_check((condition), #condition, __FILE__, __LINE__)

static inline void guest_check(bool holds, const char *condition, const char *file, int line) {
    if (holds) return;
    fprintf(stderr, "%s:%d: check failed: %s (errno %d, %s)\n", file, line, condition, errno, strerror(errno));
    exit(99);
}

static inline int guest_number(int count, char **arguments, int index, int otherwise, int maximum) {
    if (index >= count) return otherwise;
    int number = atoi(arguments[index]);
    if (number < 1 || number > maximum) {
        fprintf(stderr, "%s: argument %d must be from 1 to %d\n", arguments[0], index, maximum);
        exit(2);
    }
    return number;
}

static inline int guest_threads(int count, char **arguments) {
    return guest_number(count, arguments, 1, 4, GUEST_THREADS_MAX);
}

static inline int guest_iterations(int count, char **arguments, int otherwise) {
    return guest_number(count, arguments, 2, otherwise, 1000000000);
}

// FNV-1a's start and a step that takes a whole word.
#define GUEST_HASH_START UINT64_C(14695981039346656037)

static inline uint64_t guest_hash(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(1099511628211);
    return hash ^ (hash >> 29);
}

static inline uint64_t guest_hash_bytes(uint64_t hash, const void *bytes, size_t length) {
    const unsigned char *byte = (const unsigned char *)bytes; // C++ takes this header, too
    for (size_t i = 0; i < length; i++) hash = guest_hash(hash, byte[i]);
    return hash;
}

// A generator with a fixed seed per thread: what differs between runs is to come from the schedule alone.
static inline uint64_t guest_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static inline struct timespec guest_deadline(clockid_t clock, long nanoseconds) {
    struct timespec when;
    clock_gettime(clock, &when);
    when.tv_nsec += nanoseconds;
    when.tv_sec += when.tv_nsec / 1000000000;
    when.tv_nsec %= 1000000000;
    return when;
}

// Creates `count` threads, each with its index as the argument, and joins them.
static inline void guest_run_threads(int count, void *(*body)(void *)) {
    pthread_t threads[GUEST_THREADS_MAX];
    for (int i = 0; i < count; i++) CHECK(pthread_create(&threads[i], NULL, body, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < count; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

static inline unsigned long long guest_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec;
}

// A directory of the guest's own, which is the current one until guest_leave; that removes it, empty by then.
static inline const char *guest_enter(void) {
    static char place[] = "/tmp/castor-guest-XXXXXX";
    CHECK(mkdtemp(place) && chdir(place) == 0);
    return place;
}

static inline void guest_leave(const char *place) { CHECK(chdir("/") == 0 && rmdir(place) == 0); }

#endif
