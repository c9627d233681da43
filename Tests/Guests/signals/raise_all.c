// raise() of every signal that can be handled.
#include "../small.h"

static volatile int last, codes;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)context;
    last = signal;
    codes = info->si_code;
}

int main(void) {
    for (int signal = 1; signal <= SIGRTMAX; signal++) {
        if (signal == SIGKILL || signal == SIGSTOP || (signal > 31 && signal < SIGRTMIN)) continue;
        handle(signal, on_signal, 0);
        CHECK(raise(signal) == 0);
        CHECK(last == signal);
        printf("%d code %d\n", signal, (int)codes);
    }
    stamp("end");
}
