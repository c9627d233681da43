// An interval timer while the program computes without calls: the signal is seen at the next call.
#include "../small.h"

static volatile sig_atomic_t alarms;

static void on_alarm(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    alarms = alarms + 1;
}

int main(void) {
    handle(SIGALRM, on_alarm, SA_RESTART);
    every(300);
    int before = 0;
    for (int i = 0; i < 60; i++) {
        spin(100000);
        getppid();
        printf("%d: %d\n", i, (int)alarms - before);
        before = alarms;
    }
    every(0);
}
