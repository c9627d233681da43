// barrier:
// hints:
// pure:
// clang localOnly:
// gcc localOnly: region_begin region_output region_end
// systemCall:
// identity: value value value value
// counter: value value
// encoded: value
// locked: region_begin region_output region_end value
// byPointer: region_begin region_end
// reads: region_begin region_end value
// strings: region_begin region_end value value value
#include <stdint.h>

void barrier(void) { __asm__ volatile("# nothing here" ::: "memory"); }
void hints(void) { __asm__ volatile("rep; nop\n\tlfence\n\tpause" ::: "memory"); }
uint64_t pure(uint64_t x) {
    __asm__("bswap %0" : "+r"(x));
    return x;
}
int localOnly(int x) {
    int n = x;
    __asm__("incl %0" : "+m"(n));
    return n;
}
long systemCall(long number) {
    __asm__ volatile("syscall" : "+a"(number)::"rcx", "r11", "memory");
    return number;
}
uint32_t identity(uint32_t leaf) {
    uint32_t b, c = 0, d;
    __asm__ volatile("xchgq %%rbx, %q1\n\tcpuid\n\txchgq %%rbx, %q1" : "+a"(leaf), "=r"(b), "+c"(c), "=d"(d));
    return leaf + b + c + d;
}
uint64_t counter(void) {
    uint32_t low, high;
    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high)::"memory");
    return low + ((uint64_t)high << 32);
}
uint32_t encoded(void) {
    uint32_t features;
    __asm__(".byte 0x0f, 0x01, 0xd0" : "=a"(features) : "c"(0) : "edx");
    return features;
}
int locked(int *p, int n) {
    __asm__ volatile("lock; xaddl %0, %1" : "+r"(n), "+m"(*p)::"memory");
    return n;
}
void byPointer(int *p) { __asm__ volatile("lock{;} incl (%0)" ::"r"(p) : "memory"); }
int reads(const int *p) {
    int n;
    __asm__("movl %1, %0" : "=r"(n) : "m"(*p));
    return n;
}
// The results are used, or they would not be recorded.
void strings(void *to, const void *from, uint64_t count) {
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
    __asm__ volatile("" ::"r"(to), "r"(from), "r"(count));
}
