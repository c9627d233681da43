// SA_NODEFER: a handler interrupted by its own signal, five deep; without it the next one waits for its end.
#include "../small.h"

static volatile sig_atomic_t depth, deepest, hits;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)info, (void)context;
    depth = depth + 1;
    hits = hits + 1;
    if (depth > deepest) deepest = depth;
    if (hits < 5) raise(signal);
    depth = depth - 1;
}

int main(void) {
    handle(SIGUSR1, on_signal, SA_NODEFER);
    raise(SIGUSR1);
    printf("deepest %d hits %d\n", (int)deepest, (int)hits);
    deepest = hits = 0;
    handle(SIGUSR1, on_signal, 0);
    raise(SIGUSR1);
    printf("deepest %d hits %d depth %d\n", (int)deepest, (int)hits, (int)depth);
    stamp("end");
}
