// What siginfo says of kill, tgkill, sigqueue, a timer, a child's end, an alarm and faults.
#include "../small.h"

#include <setjmp.h>

static siginfo_t last;
static sigjmp_buf again;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    last = *info;
}
static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    last = *info;
    siglongjmp(again, 1);
}
static void tell(const char *what) {
    printf("%s: signal %d code %d pid %d uid %d value %d status %d address %p\n", what, last.si_signo, last.si_code,
           (int)last.si_pid, (int)last.si_uid, last.si_value.sival_int, last.si_status, last.si_addr);
    memset(&last, 0, sizeof last);
}

int main(void) {
    int signals[] = {SIGUSR1, SIGALRM, SIGCHLD, SIGRTMIN + 1};
    for (int i = 0; i < 4; i++) handle(signals[i], on_signal, 0);
    handle(SIGSEGV, on_fault, 0);
    handle(SIGFPE, on_fault, 0);
    kill(getpid(), SIGUSR1);
    tell("kill");
    raise(SIGUSR1);
    tell("raise");
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 42});
    tell("sigqueue");
    struct itimerval timer = {.it_value.tv_usec = 500};
    setitimer(ITIMER_REAL, &timer, NULL);
    pause();
    tell("alarm");
    if (fork_surely() == 0) _exit(9);
    rest(3000);
    while (waitpid(-1, NULL, 0) < 0 && errno == EINTR) {}
    last.si_utime = last.si_stime = 0;
    tell("child");
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sigsetjmp(again, 1) == 0) *(volatile char *)(page + 5) = 1;
    tell("protected page");
    if (sigsetjmp(again, 1) == 0) *(volatile char *)8 = 1;
    tell("no page");
    volatile int zero = 0;
    if (sigsetjmp(again, 1) == 0) zero = 1 / zero;
    tell("division");
}
