// Coroutines that wander between threads, with calls and locks on their stacks.
#include "../small.h"

#include <ucontext.h>

enum { COROUTINES = 8, STEPS = 20 };
static struct coroutine {
    ucontext_t context, *back;
    char stack[32768];
    int steps;
    bool done, runs;
} coroutines[COROUTINES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t order = GUEST_HASH_START;
static int left = COROUTINES;

static void run(int which) {
    struct coroutine *me = &coroutines[which];
    for (me->steps = 0; me->steps < STEPS; me->steps++) {
        getppid();
        pthread_mutex_lock(&lock);
        order = guest_hash(order, (uint64_t)(which * 100 + me->steps));
        pthread_mutex_unlock(&lock);
        swapcontext(&me->context, me->back);
    }
    me->done = true;
    setcontext(me->back);
}
static void *body(void *argument) {
    ucontext_t here;
    uint64_t random = 77 + (uint64_t)argument;
    pthread_mutex_lock(&lock);
    while (left > 0) {
        struct coroutine *next = &coroutines[guest_random(&random) % COROUTINES];
        if (next->done || next->runs) {
            pthread_mutex_unlock(&lock);
            sched_yield();
            pthread_mutex_lock(&lock);
            continue;
        }
        next->runs = true;
        next->back = &here;
        pthread_mutex_unlock(&lock);
        swapcontext(&here, &next->context);
        pthread_mutex_lock(&lock);
        next->runs = false;
        left -= next->done;
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(void) {
    for (int i = 0; i < COROUTINES; i++) {
        getcontext(&coroutines[i].context);
        coroutines[i].context.uc_stack.ss_sp = coroutines[i].stack;
        coroutines[i].context.uc_stack.ss_size = sizeof coroutines[i].stack;
        makecontext(&coroutines[i].context, (void (*)(void))run, 1, i);
    }
    guest_run_threads(3, body);
    printf("order %016llx\n", (unsigned long long)order);
}
