// Handlers that change the interrupted registers: an illegal instruction and a trap are skipped, a bad pointer is
// replaced, a division gets another divisor.
#include "../small.h"

#include <ucontext.h>

static volatile int good, trace[16], length;

static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    trace[length] = signal;
    length = length + 1;
    if (signal == SIGILL) registers[REG_RIP] += 2;
    if (signal == SIGSEGV) registers[REG_RBX] = (greg_t)&good;
    if (signal == SIGFPE) registers[REG_RCX] = 4;
}

int main(void) {
    int signals[] = {SIGSEGV, SIGFPE, SIGILL, SIGTRAP};
    for (int i = 0; i < 4; i++) handle(signals[i], on_fault, 0);
    for (int i = 0; i < 3; i++) {
        long value = getpid(), quotient, rest_ = 0, divisor = 0;
        __asm__ volatile("ud2");
        __asm__ volatile("int3");
        __asm__ volatile("movl %1, (%%rbx)" ::"b"(0L), "r"((int)value) : "memory");
        __asm__ volatile("divq %%rcx" : "=a"(quotient), "+d"(rest_), "+c"(divisor) : "0"(value));
        printf("%d: stored %d quotient %ld rest %ld\n", i, (int)good, quotient, rest_);
    }
    for (int i = 0; i < length; i++) printf("%d ", (int)trace[i]);
    printf("\n");
}
