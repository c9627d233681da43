// arch_prctl: the thread's own segment base is what the program sees, in recording and in replay.
#include "guest.h"

#include <asm/prctl.h>
#include <sys/syscall.h>

int main(void) {
    unsigned long fs = 0, gs = 1, value;
    CHECK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs) == 0 && syscall(SYS_arch_prctl, ARCH_GET_GS, &gs) == 0);
    printf("pid %d fs %lx gs %lx\n", getpid(), fs, gs);
    static unsigned long words[2] = {0x1122334455667788, 0};
    CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, words) == 0);
    __asm__ volatile("mov %%gs:0, %0" : "=r"(value));
    printf("through gs %lx\n", value);
    words[1] = (unsigned long)getpid();
    __asm__ volatile("mov %%gs:8, %0" : "=r"(value));
    printf("and %lu\n", value);
    CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0) == 0);
    printf("unknown %ld errno %d\n", syscall(SYS_arch_prctl, 0x9999, 0), errno);
    return 0;
}
