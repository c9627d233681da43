// A program of which other builds replay the recording: workers that meet in a lock, read the clock, allocate and print.
// What the builds differ in is chosen by macros: NOTE is a line that is added to it, and CALL, EXTRA and HOLDS others.
// ends: 3
#include "../guest.h"

#ifdef WITH_CASTOR_H
#include "castor.h"
#endif
#ifndef NOTE
#define NOTE(...) ((void)0)
#endif
#ifndef HOLDS
#define HOLDS(condition) ((void)0)
#endif
#ifndef CALL
#define CALL getppid()
#endif
#ifndef EXTRA
#define EXTRA 0
#endif

enum { THREADS = 3, ROUNDS = 40 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned turns[THREADS * ROUNDS], count;

static void *body(void *argument) {
    unsigned self = (unsigned)(intptr_t)argument;
    for (int i = 0; i < ROUNDS; i++) {
        char *memory = malloc(100 + 40 * self + (size_t)i + EXTRA);
        memory[0] = (char)self;
        pthread_mutex_lock(&lock);
        turns[count++] = (unsigned)memory[0];
        HOLDS(count != 17);
        if (i % 10 == 0) printf("%u at %llu\n", self, guest_now());
        if (i % 20 == 0) NOTE("note: turn %u\n", count);
        pthread_mutex_unlock(&lock);
        free(memory);
    }
    return NULL;
}

int main(void) {
    guest_run_threads(THREADS, body);
    NOTE("note: %u turns\n", count);
    printf("call %d\n", (int)CALL);
    for (unsigned i = 0; i < count; i++) printf("%u", turns[i]);
    fprintf(stderr, "the end\n");
    printf("\n");
    return 3;
}
