// atexit, on_exit and __cxa_atexit, registered by several threads; the order in which they run.
// ends: 3
#include "../small.h"

extern int __cxa_atexit(void (*)(void *), void *, void *);
static void plain(void) { printf("plain\n"); }
static void with_status(int status, void *value) { printf("status %d: %d\n", status, (int)(intptr_t)value); }
static void cxx(void *value) { printf("cxx %d\n", (int)(intptr_t)value); }

static void *body(void *argument) {
    for (int i = 0; i < 5; i++) {
        on_exit(with_status, (void *)((intptr_t)argument * 10 + i));
        __cxa_atexit(cxx, (void *)((intptr_t)argument * 100 + i), NULL);
    }
    return NULL;
}

int main(void) {
    atexit(plain);
    guest_run_threads(4, body);
    return 3;
}
