// Handlers on an alternate stack, asked about and taken away again.
#include "../small.h"

static char *stack;
static volatile sig_atomic_t inside, flags;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    char here;
    stack_t now;
    inside = &here >= stack && &here < stack + 65536;
    sigaltstack(NULL, &now);
    flags = now.ss_flags;
}

int main(void) {
    stack = malloc(65536);
    stack_t wanted = {.ss_sp = stack, .ss_size = 65536}, old;
    CHECK(sigaltstack(&wanted, NULL) == 0);
    handle(SIGUSR1, on_signal, SA_ONSTACK);
    handle(SIGUSR2, on_signal, 0);
    raise(SIGUSR1);
    printf("on its stack %d flags %d\n", (int)inside, (int)flags);
    raise(SIGUSR2);
    printf("on its stack %d flags %d\n", (int)inside, (int)flags);
    CHECK(sigaltstack(NULL, &old) == 0);
    printf("stack %p size %zu flags %d\n", old.ss_sp, old.ss_size, old.ss_flags);
    wanted.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&wanted, NULL) == 0);
    raise(SIGUSR1);
    printf("on its stack %d flags %d\n", (int)inside, (int)flags);
    stamp("end");
}
