// An interval timer of 200 µs: how many calls fit between its signals.
#include "../small.h"

static volatile sig_atomic_t alarms;

static void on_alarm(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    alarms = alarms + 1;
}

int main(void) {
    handle(SIGALRM, on_alarm, SA_RESTART);
    every(200);
    for (int wanted = 1; wanted <= 30; wanted++) {
        int calls = 0;
        while (alarms < wanted) {
            getppid();
            calls++;
        }
        printf("%d: %d\n", wanted, calls);
    }
    every(0);
    stamp("end");
}
