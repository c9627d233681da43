// Coroutines made with makecontext that make calls; signals run their handlers on the coroutines' stacks.
#include "../small.h"

#include <ucontext.h>

enum { COROUTINES = 3 };
static ucontext_t outside, inside[COROUTINES];
static char *stacks[COROUTINES];
static volatile int hits[COROUTINES + 1], finished[COROUTINES];

static void on_alarm(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    char here;
    int on = COROUTINES;
    for (int i = 0; i < COROUTINES; i++)
        if (&here >= stacks[i] && &here < stacks[i] + 65536) on = i;
    hits[on] = hits[on] + 1;
}

static void run(int me) {
    for (int i = 0; i < 100; i++) {
        for (int j = 0; j < 20; j++) getppid();
        swapcontext(&inside[me], &outside);
    }
    finished[me] = 1;
}

int main(void) {
    handle(SIGALRM, on_alarm, SA_RESTART);
    for (int i = 0; i < COROUTINES; i++) {
        stacks[i] = malloc(65536);
        getcontext(&inside[i]);
        inside[i].uc_stack.ss_sp = stacks[i];
        inside[i].uc_stack.ss_size = 65536;
        inside[i].uc_link = &outside;
        makecontext(&inside[i], (void (*)(void))run, 1, i);
    }
    every(200);
    for (int left = COROUTINES; left > 0;) {
        left = 0;
        for (int i = 0; i < COROUTINES; i++) {
            if (finished[i]) continue;
            swapcontext(&outside, &inside[i]);
            left++;
        }
    }
    every(0);
    for (int i = 0; i <= COROUTINES; i++) printf("%d: %d hits\n", i, (int)hits[i]);
    stamp("end");
}
