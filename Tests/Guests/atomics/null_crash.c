// Atomics on no memory, and on memory that may only be read: the handler of the fault jumps out of the operation, and all
// goes on. What the operation held must not stay held.
#include "race.h"

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

static atomic_long count;
static atomic_long *volatile nowhere;
static atomic_long *sealed;
static volatile long *volatile nothing;
static __thread sigjmp_buf back;
static __thread volatile sig_atomic_t armed;

static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)context;
    if (!armed || (info->si_addr != NULL && info->si_addr != sealed)) _exit(98);
    armed = 0;
    siglongjmp(back, signal);
}

static long fault(int way) {
    long expected = 0;
    switch (way) {
    case 0: return atomic_fetch_add(nowhere, 1);
    case 1: return atomic_load(nowhere);
    case 2: atomic_store(nowhere, 1); return 0;
    case 3: return atomic_compare_exchange_strong(nowhere, &expected, 1);
    case 4: return atomic_exchange(sealed, 1);
    case 5: return *nothing;
    case 6: *nothing = 1; return 0;
    default: __asm__ volatile("lock incq %0" : "+m"(*nowhere) : : "cc"); return 0;
    }
}

static void fault_and_return(int way) {
    int signal = sigsetjmp(back, 1);
    if (signal == 0) {
        armed = 1;
        fault(way);
        CHECK(!"the operation was to fault");
    }
    CHECK(signal == SIGSEGV);
}

static uint64_t work(int self) {
    uint64_t seen = GUEST_HASH_START;
    for (int i = 0; race_goes_on(i); i++) {
        if ((i + self) % 16 == 0) fault_and_return((i + self) / 16 % 8);
        seen = guest_hash(seen, (uint64_t)atomic_fetch_add(&count, 1));
    }
    return seen;
}

int main(int count_, char **arguments) {
    race_begin(count_, arguments, 16000);
    sealed = (atomic_long *)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(sealed != MAP_FAILED && atomic_load(sealed) == 0);
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    race_run("faults", work);
    CHECK(count == (long)race_threads * race_turns);
    return 0;
}
