// What the micro-benchmarks share: the time, and a second thread that waits until main lets go of `stop_lock`.
#pragma once
#include "guest.h"

static double seconds;
static pthread_mutex_t stop_lock = PTHREAD_MUTEX_INITIALIZER;

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

__attribute__((unused)) static void *idle_thread(void *argument) {
    pthread_mutex_lock(&stop_lock); // held by main until the end
    pthread_mutex_unlock(&stop_lock);
    return argument;
}
