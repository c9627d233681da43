/// Ordered calls: functions of glibc that private locks guard. No symbol shows those locks, so a lock of ours is taken
/// around the whole call, and its acquisition is the event. Both are recursive: a callback may come back.
#pragma once
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include "wrappers.h"

/// What a call in progress holds; at most one of the two.
typedef struct castor_held {
    FILE *file;
    pthread_mutex_t *mutex;
} castor_held;

/// Runs when the call returns, when the thread is cancelled in it, and when an exception passes.
CASTOR_HIDDEN void castor_release(castor_held *held);
CASTOR_HIDDEN void castor_release_file(FILE *file);
CASTOR_HIDDEN castor_held castor_hold_file(FILE *file);
CASTOR_HIDDEN castor_held castor_hold_group(uint16_t id, pthread_mutex_t *mutex);

/// A fork copies what other threads are in the midst of changing. Nobody is: the streams and the small groups are held.
CASTOR_HIDDEN void castor_hold_streams(void);
/// `in_child`: libc has made the locks of streams anew, if there ever was a second thread.
CASTOR_HIDDEN void castor_release_streams(int in_child);

#define HELD __attribute__((cleanup(castor_release), unused)) castor_held
#define ORDERLY(value) __builtin_expect((value), 0)

/// One lock per kind of hidden state. Its address is the object that the log orders, so what is locked and what is
/// ordered are always the same thing.
#define CASTOR_GROUPS(GROUP) \
    GROUP(stdio_list) GROUP(random) GROUP(time_zone) GROUP(locale) GROUP(environment) GROUP(resolver) \
    GROUP(loader) GROUP(atexit) GROUP(syslog) GROUP(static_result) GROUP(named_semaphore)
enum {
#define GROUP(name) castor_group_##name,
    CASTOR_GROUPS(GROUP)
#undef GROUP
    castor_group_count
};
extern pthread_mutex_t castor_groups[castor_group_count] CASTOR_HIDDEN;
#define HOLD(group) HELD held_##group = castor_hold_group(CASTOR_SYM_##group, &castor_groups[castor_group_##group])

/// A real function by name, however the headers of the day rename it.
CASTOR_HIDDEN void *castor_find(const char *name);

#define REGISTERED(name) \
    static const castor_real name##_entry __attribute__((section("castor_reals"), used, retain)) = {#name, "", (void **)&real_##name};

/// `real_NAME`, and `castor_NAME` exported under the name itself. Headers redirect some names by macro or by assembler
/// label, so the wrapper never carries in C the name it has outside.
#define FOUND(type, name, parameters, arguments)                      \
    static type name##_first parameters;                              \
    static type (*real_##name) parameters = name##_first;             \
    REGISTERED(name)                                                  \
    static type name##_first parameters {                             \
        *(void **)&real_##name = castor_find(#name);                  \
        return real_##name arguments;                                 \
    }
#define NAMED(type, name, parameters)              \
    EXPORT type castor_##name parameters __asm__(#name); \
    EXPORT type castor_##name parameters

/// A whole wrapper. The ordered path is a function of its own, so that the other one is a jump.
#define ORDERED_CALL(type, name, parameters, arguments, hold)                     \
    FOUND(type, name, parameters, arguments)                                      \
    static __attribute__((noinline)) type name##_ordered parameters {             \
        hold;                                                                     \
        return real_##name arguments;                                             \
    }                                                                             \
    NAMED(type, name, parameters) {                                               \
        if (ORDERLY(castor_is_ordered())) return name##_ordered arguments;        \
        return real_##name arguments;                                             \
    }
