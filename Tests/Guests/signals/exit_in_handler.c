// exit() called by a handler, with handlers of exit.
// ends: 5
#include "../small.h"

static int calls;

static void at_end(void) { printf("at the end: %d calls\n", calls); }
static void on_alarm(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    exit(5);
}

int main(void) {
    atexit(at_end);
    handle(SIGALRM, on_alarm, 0);
    every(2000);
    for (;; calls++) getppid();
}
