// What the kernels share: programs in the spirit of SPLASH-2, each with one way of synchronising by pthread functions. A
// kernel does a fixed amount of work and prints its time, how often its threads met, and a result that depends on the order
// in which they did: a run that meets otherwise prints another one.
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS_MAX = 1024, LINE = 64 };

static int threads = 4;
// All threads and main, once, at the start; the threads alone, in between.
static pthread_barrier_t all, among;

// The argument at `index`, from 1 to `maximum`, or `otherwise`.
static inline int argument(int count, char **arguments, int index, int otherwise, int maximum) {
    if (index >= count) return otherwise;
    int number = atoi(arguments[index]);
    if (number >= 1 && number <= maximum) return number;
    fprintf(stderr, "%s: argument %d must be from 1 to %d\n", arguments[0], index, maximum);
    exit(2);
}

static inline uint64_t mixed(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(1099511628211);
    return hash ^ (hash >> 29);
}

// xorshift64*
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static inline uint64_t seed_of(int thread) { return (uint64_t)(thread + 1) * UINT64_C(0x9e3779b97f4a7c15); }

// Work that no compiler leaves out: `steps` multiplications, one after the other.
static inline uint64_t compute(uint64_t value, int steps) {
    for (int i = 0; i < steps; i++) value = value * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return value;
}

static inline double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// Runs `body` in every thread, with its number; returns the seconds from when all were there to the end of the last.
static inline double run_threads(void *(*body)(void *)) {
    static pthread_t started[THREADS_MAX];
    pthread_barrier_init(&all, NULL, (unsigned)threads + 1);
    pthread_barrier_init(&among, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&started[i], NULL, body, (void *)(intptr_t)i) != 0) exit(1);
    pthread_barrier_wait(&all);
    double start = now();
    for (int i = 0; i < threads; i++) pthread_join(started[i], NULL);
    return now() - start;
}

static inline int report(double seconds, uint64_t met, uint64_t result) {
    printf("seconds %.6f\nmet %llu\nresult %016llx\n", seconds, (unsigned long long)met, (unsigned long long)result);
    return 0;
}
