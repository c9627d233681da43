/// Replay of a build with AddressSanitizer or ThreadSanitizer.
#pragma once
#include <pthread.h>
#include "wrappers.h"

/// Our own functions of these names, which anybody else would find in the sanitizer.
extern __typeof__(pthread_cond_wait) castor_own_pthread_cond_wait CASTOR_HIDDEN;
extern __typeof__(pthread_cond_timedwait) castor_own_pthread_cond_timedwait CASTOR_HIDDEN;

/// A thread that the sanitizer's runtime makes for itself is none of the recording's.
CASTOR_HIDDEN int castor_sanitizers_thread(
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *), pthread_t *t, void *(*f)(void *), void *p);
