/// C11's threads are glibc's pthreads under other names, which it calls inside without a symbol. Here they go through
/// the interposed ones.
#include <errno.h>
#include <threads.h>
#include <pthread.h>
#include "wrappers.h"

static int result_of(int error) {
    switch (error) {
    case 0: return thrd_success;
    case ENOMEM: return thrd_nomem;
    case ETIMEDOUT: return thrd_timedout;
    case EBUSY: return thrd_busy;
    default: return thrd_error;
    }
}

EXPORT int thrd_create(thrd_t *t, thrd_start_t f, void *p) {
    /* the routine's int comes back in the low half of the pointer, where thrd_join looks for it */
    return result_of(pthread_create(t, 0, (void *(*)(void *))(void *)f, p));
}
EXPORT int thrd_join(thrd_t t, int *r) {
    void *value = 0;
    int result = result_of(pthread_join(t, &value));
    if (r) *r = (int)(intptr_t)value;
    return result;
}
EXPORT int thrd_detach(thrd_t t) { return result_of(pthread_detach(t)); }

EXPORT int mtx_lock(mtx_t *m) { return result_of(pthread_mutex_lock((pthread_mutex_t *)m)); }
EXPORT int mtx_trylock(mtx_t *m) { return result_of(pthread_mutex_trylock((pthread_mutex_t *)m)); }
EXPORT int mtx_timedlock(mtx_t *restrict m, const struct timespec *restrict t) {
    return result_of(pthread_mutex_timedlock((pthread_mutex_t *)m, t));
}
EXPORT int cnd_wait(cnd_t *c, mtx_t *m) {
    return result_of(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}
EXPORT int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict t) {
    return result_of(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, t));
}
EXPORT void call_once(once_flag *o, void (*f)(void)) { pthread_once((pthread_once_t *)o, f); }
EXPORT int tss_create(tss_t *k, tss_dtor_t d) { return result_of(pthread_key_create((pthread_key_t *)k, d)); }
EXPORT void tss_delete(tss_t k) { pthread_key_delete((pthread_key_t)k); }
