// A handler gives access to the page that was touched, and the instruction is tried again: a write barrier, as
// collectors of garbage and data bases have them.
#include "../small.h"

enum { THREADS = 4, PAGES = 32 };
static char *area;
static __thread volatile int faults;

static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    char *page = (char *)((uintptr_t)info->si_addr & ~4095ul);
    if (page < area || page >= area + THREADS * PAGES * 4096) _exit(3);
    faults = faults + 1;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void *body(void *argument) {
    intptr_t me = (intptr_t)argument;
    char *mine = area + me * PAGES * 4096;
    unsigned sum = 0;
    for (int round = 0; round < 3; round++) {
        mprotect(mine, PAGES * 4096, PROT_READ);
        for (int i = 0; i < PAGES; i++) mine[i * 4096 + round] = (char)(i + round);
    }
    for (int i = 0; i < PAGES; i++) sum += (unsigned char)mine[i * 4096 + 1];
    printf("%d: faults %d sum %u\n", (int)me, faults, sum);
    return NULL;
}

int main(void) {
    area = mmap(NULL, THREADS * PAGES * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    handle(SIGSEGV, on_fault, 0);
    guest_run_threads(THREADS, body);
    stamp("end");
}
