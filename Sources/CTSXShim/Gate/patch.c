/// Rewrites `syscall` instructions to jump to the gate.
///
/// Only sequences that are certain from their bytes are rewritten (constant data can look like a `syscall`);
/// whatever is left traps through Syscall User Dispatch, which is slower by two microseconds but complete.
///
///   1. b8 imm32 0f 05           mov $nr,%eax; syscall        the mov becomes the jump, the syscall stays guarded
///   2. 0f 05 48 3d 0x f0 ff ff  syscall; cmp $-4096+x,%rax   both are moved into the trampoline
///   3. 0f 05 3d 0x f0 ff ff     syscall; cmp $-4096+x,%eax   likewise
#include <sys/mman.h>
#include <sys/syscall.h>
#include "castor_start.h"

#define AREA_BYTES 0x40000ul
#define MAP_NOREPLACE 0x100000

typedef struct area {
    unsigned char *next, *end;
} area;
static area areas[64];
static uint32_t area_count, patch_lock;

static int reaches(const unsigned char *a, const unsigned char *b) {
    int64_t d = a - b;
    return d < 0x7ff00000 && d > -0x7ff00000;
}

/// Places tried for trampolines: above the kernel's mmap area for libraries, below the module for a program.
/// Both depend on nothing but the module's address, so recording and replay choose alike.
static uint64_t candidate(uint64_t site, uint64_t k) {
    if (site >= 0x7f0000000000ul) return 0x7ffff8000000ul + k * AREA_BYTES;
    uint64_t base = site & ~0xfffffful, step = (k + 1) * 0x1000000ul;
    return base > step + 0x10000 ? base - step : base + step + 0x10000000ul;
}

static area *area_near(unsigned char *site) {
    for (uint32_t i = 0; i < area_count; i++)
        if (areas[i].next + 128 <= areas[i].end && reaches(areas[i].next, site)) return &areas[i];
    if (area_count == 64) return 0;
    for (uint64_t k = 0; k < 96; k++) {
        uint64_t at = candidate((uint64_t)site, k);
        if (!reaches((unsigned char *)at, site)) continue;
        int64_t r = CALL(SYS_mmap, at, AREA_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NOREPLACE, -1, 0);
        if (r == (int64_t)at) {
            areas[area_count] = (area){(unsigned char *)at, (unsigned char *)at + AREA_BYTES};
            return &areas[area_count++];
        }
        if (r > 0) CALL(SYS_munmap, r, AREA_BYTES, 0, 0, 0, 0);
    }
    return 0;
}

static unsigned char *put32(unsigned char *p, int64_t v) {
    int32_t x = (int32_t)v;
    __builtin_memcpy(p, &x, 4);
    return p + 4;
}
/// lea back(%rip),%rcx; lea site(%rip),%r11; jmp *gate
static unsigned char *put_jump(unsigned char *p, unsigned char *back, unsigned char *site) {
    *p++ = 0x48, *p++ = 0x8d, *p++ = 0x0d;
    p = put32(p, back - (p + 4));
    *p++ = 0x4c, *p++ = 0x8d, *p++ = 0x1d;
    p = put32(p, site - (p + 4));
    *p++ = 0xff, *p++ = 0x25;
    p = put32(p, 0);
    uint64_t gate = (uint64_t)(void *)castor_gate_entry;
    __builtin_memcpy(p, &gate, 8);
    return p + 8;
}
#define JUMP_BYTES 28

/// Whether the bytes at `at` belong to the constant of a movabs: a program that writes code has such constants.
static int in_constant(const unsigned char *at) {
    for (int k = 1; k < 3; k++)
        if ((at[-k] & 0xf8) == 0xb8 && (at[-k - 1] & 0xf8) == 0x48) return 1;
    return 0;
}

static int pattern(const unsigned char *p) {
    if (p[-5] == 0xb8 && p[-2] == 0 && p[-1] == 0 && p[-3] < 4 && (p[-6] & 0xf0) != 0x40) return in_constant(p - 5) ? 0 : 1;
    if (in_constant(p)) return 0;
    if (p[2] == 0x48 && p[3] == 0x3d && p[4] <= 1 && p[5] == 0xf0 && p[6] == 0xff && p[7] == 0xff) return 2;
    if (p[2] == 0x3d && p[3] <= 1 && p[4] == 0xf0 && p[5] == 0xff && p[6] == 0xff) return 3;
    return 0;
}

static void rewrite(unsigned char *p, int kind, area *a) {
    unsigned char *t = a->next, *q = t, *at = kind == 1 ? p - 5 : p;
    if (kind == 1) {
        __builtin_memcpy(q, at, 5);
        q = put_jump(q + 5, p + 2, p + 2);
    } else {
        int moved = kind == 2 ? 6 : 5;
        unsigned char *back = q + JUMP_BYTES;
        q = put_jump(q, back, p + 2);
        for (int i = 0; i < moved; i++) q[i] = p[2 + i];
        q += moved;
        *q++ = 0xe9;
        q = put32(q, (p + 2 + moved) - (q + 4));
        for (int i = 5; i < 2 + moved; i++) p[i] = 0x90;
    }
    at[0] = 0xe9;
    put32(at + 1, t - (at + 5));
    a->next = (unsigned char *)(((uintptr_t)q + 15) & ~15ul);
}

void castor_patch(uint64_t start, uint64_t end) {
    uint64_t gate = (uint64_t)(void *)castor_gate_start;
    if (start <= gate && gate < end) return; /* the runtime itself */
    if (castor_seg->options & CASTOR_OPT_NO_REWRITE) return;
    while (__atomic_exchange_n(&patch_lock, 1, __ATOMIC_ACQUIRE)) castor_pause();
    uint64_t low = start & ~4095ul, length = ((end + 4095) & ~4095ul) - low;
    int writable = 0;
    for (unsigned char *p = (unsigned char *)start + 8; p < (unsigned char *)end - 8; p++) {
        if (p[0] != 0x0f || p[1] != 0x05) continue;
        int kind = pattern(p);
        area *a = kind ? area_near(p) : 0;
        if (!a) continue;
        if (!writable && CALL(SYS_mprotect, low, length, PROT_READ | PROT_WRITE | PROT_EXEC, 0, 0, 0)) break;
        writable = 1;
        rewrite(p, kind, a);
        p++;
    }
    if (writable) CALL(SYS_mprotect, low, length, PROT_READ | PROT_EXEC, 0, 0, 0);
    __atomic_store_n(&patch_lock, 0, __ATOMIC_RELEASE);
}
