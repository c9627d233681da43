// What the small guests share beyond guest.h: handlers, and lines that a second run would not print again.
#ifndef SMALL_H
#define SMALL_H

#include "guest.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

// The moment, the process and a place on the stack.
static inline void stamp(const char *what) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%s: %d at %lld.%09ld, %p\n", what, (int)getpid(), (long long)now.tv_sec, now.tv_nsec,
           __builtin_frame_address(0));
}

static inline void rest(long microseconds) {
    struct timespec left = {.tv_sec = microseconds / 1000000, .tv_nsec = microseconds % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}

typedef void handler_function(int, siginfo_t *, void *);

static inline void handle(int signal, handler_function *handler, int flags) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static inline sigset_t set_of(int signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    return set;
}
static inline void block(int signal) {
    sigset_t set = set_of(signal);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}
static inline void unblock(int signal) {
    sigset_t set = set_of(signal);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
}

static inline void every(long microseconds) {
    struct itimerval timer = {.it_value.tv_usec = microseconds, .it_interval.tv_usec = microseconds};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

// Never -1, which kill() would take for everybody.
static inline pid_t fork_surely(void) {
    pid_t child = fork();
    CHECK(child >= 0);
    return child;
}

static inline pid_t thread_id(void) { return (pid_t)syscall(SYS_gettid); }

// Something to do between two events.
static inline void spin(int rounds) {
    for (volatile int i = 0; i < rounds; i++) {}
}

#endif
