// Faults left with siglongjmp in several threads: invalid addresses, a page without access, a division, an instruction.
#include "../small.h"

#include <setjmp.h>

enum { THREADS = 4 };
static __thread sigjmp_buf back;
static __thread volatile uintptr_t where;
static __thread volatile int what;

static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)context;
    where = (uintptr_t)info->si_addr;
    what = signal * 100 + info->si_code;
    siglongjmp(back, 1);
}

static void *body(void *argument) {
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile int zero = 0;
    for (volatile int i = 0; i < 8; i++) {
        if (sigsetjmp(back, 1) == 0) {
            if (i % 4 == 0) page[i] = 1;
            if (i % 4 == 1) *(volatile int *)(uintptr_t)(i * 8) = 1;
            if (i % 4 == 2) zero = 1 / zero;
            if (i % 4 == 3) __asm__ volatile("ud2");
        }
        if (i % 4 == 0) CHECK(where == (uintptr_t)page + (uintptr_t)i);
        printf("%d.%d: %d at %p\n", (int)(intptr_t)argument, (int)i, what, (void *)where);
    }
    munmap(page, 4096);
    return NULL;
}

int main(void) {
    int signals[] = {SIGSEGV, SIGFPE, SIGILL};
    for (int i = 0; i < 3; i++) handle(signals[i], on_fault, 0);
    guest_run_threads(THREADS, body);
}
