// A thread runs over the end of its stack; a handler on another stack brings it back.
#include "../small.h"

#include <setjmp.h>

static __thread sigjmp_buf back;
static __thread volatile uintptr_t where;

static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    where = (uintptr_t)info->si_addr;
    siglongjmp(back, 1);
}
__attribute__((noinline)) static int deeper(volatile char *above) {
    volatile char room[4000];
    room[0] = above ? above[0] : 0;
    return deeper(room) + room[0];
}
static void *body(void *argument) {
    stack_t other = {.ss_sp = malloc(65536), .ss_size = 65536};
    CHECK(sigaltstack(&other, NULL) == 0);
    if (sigsetjmp(back, 1) == 0) deeper(NULL);
    printf("%d: over the end at page %p\n", (int)(intptr_t)argument, (void *)(where & ~4095ul));
    other.ss_flags = SS_DISABLE;
    sigaltstack(&other, NULL);
    return NULL;
}

int main(void) {
    handle(SIGSEGV, on_fault, SA_ONSTACK);
    guest_run_threads(3, body);
    stamp("end");
}
