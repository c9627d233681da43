/// Takes over the vDSO: libc, Go and others call it without a system call. The kernel's pages move to a fixed far
/// place, and a copy whose entries jump to the runtime takes their address.
#include <elf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "castor_start.h"

#define VDSO_ADDRESS 0x6ffd00000000ul
int64_t castor_call2(uint64_t function, uint64_t a0, uint64_t a1) {
    return ((int64_t(*)(uint64_t, uint64_t))function)(a0, a1);
}

/// An event boundary, like every other.
static int clock_event(uint32_t nr, uint64_t a0, uint64_t a1) {
    if (castor_self.pending_signals) castor_deliver_pending();
    return castor_clock(nr, a0, a1);
}
static int entry_clock_gettime(uint64_t clock, uint64_t time) { return clock_event(SYS_clock_gettime, clock, time); }
static int entry_gettimeofday(uint64_t time, uint64_t zone) { return clock_event(SYS_gettimeofday, time, zone); }
static int entry_clock_getres(uint64_t clock, uint64_t time) { return clock_event(SYS_clock_getres, clock, time); }
static int entry_getcpu(uint64_t cpu, uint64_t node) { return clock_event(SYS_getcpu, cpu, node); }
static int64_t entry_time(int64_t *to) {
    int64_t value[2];
    clock_event(SYS_time, 0, (uint64_t)value);
    if (to) *to = value[0];
    return value[0];
}

static int same(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}
/// Address of a function in the vDSO image, 0 when it has none by that name.
static uint64_t find(uint64_t base, const char *name) {
    const Elf64_Ehdr *h = (void *)base;
    const Elf64_Phdr *p = (void *)(base + h->e_phoff);
    const Elf64_Dyn *d = 0;
    const Elf64_Sym *symbols = 0;
    const char *strings = 0;
    const uint32_t *hash = 0, *gnu = 0;
    for (int i = 0; i < h->e_phnum; i++)
        if (p[i].p_type == PT_DYNAMIC) d = (void *)(base + p[i].p_offset);
    for (; d && d->d_tag; d++) {
        if (d->d_tag == DT_SYMTAB) symbols = (void *)(base + d->d_un.d_ptr);
        if (d->d_tag == DT_STRTAB) strings = (void *)(base + d->d_un.d_ptr);
        if (d->d_tag == DT_HASH) hash = (void *)(base + d->d_un.d_ptr);
        if (d->d_tag == DT_GNU_HASH) gnu = (void *)(base + d->d_un.d_ptr);
    }
    if (!symbols || !strings) return 0;
    uint32_t count = hash ? hash[1] : gnu ? 32 : 0; /* images without DT_HASH are small and end in strings */
    for (uint32_t i = 1; i < count; i++)
        if (symbols[i].st_shndx && same(strings + symbols[i].st_name, name)) return base + symbols[i].st_value;
    return 0;
}

void castor_vdso_take(const castor_map *maps, int count) {
    uint64_t low = 0, high = 0, start = 0, end = 0;
    for (int i = 0; i < count; i++) {
        int code = same(maps[i].name, "[vdso]");
        if (!code && !(maps[i].name[0] == '[' && maps[i].name[1] == 'v' && maps[i].name[2] == 'v')) continue;
        if (!low) low = maps[i].start;
        high = maps[i].end;
        if (code) start = maps[i].start, end = maps[i].end;
    }
    if (!start) return;
    struct { const char *name; uint64_t *real; void *entry; } table[] = {
        {"__vdso_clock_gettime", &castor_proc.vdso_clock_gettime, (void *)entry_clock_gettime},
        {"__vdso_gettimeofday", &castor_proc.vdso_gettimeofday, (void *)entry_gettimeofday},
        {"__vdso_time", &castor_proc.vdso_time, (void *)entry_time},
        {"__vdso_getcpu", &castor_proc.vdso_getcpu, (void *)entry_getcpu},
        {"__vdso_clock_getres", &castor_proc.vdso_clock_getres, (void *)entry_clock_getres},
    };
    uint64_t place = castor_is_sanitized() ? CASTOR_SANITIZED_VDSO : VDSO_ADDRESS;
    if (CALL(SYS_mmap, place, high - low, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) < 0) return;
    for (int i = 0; i < count; i++)
        if (maps[i].start >= low && maps[i].end <= high)
            CALL(SYS_mremap, maps[i].start, maps[i].end - maps[i].start, maps[i].end - maps[i].start,
                 MREMAP_MAYMOVE | MREMAP_FIXED, place + (maps[i].start - low), 0);
    uint64_t moved = place + (start - low);
    if (CALL(SYS_mmap, start, end - start, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) < 0) return;
    castor_copy((void *)start, (void *)moved, end - start);
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
        uint64_t at = find(moved, table[i].name);
        if (!at) continue;
        *table[i].real = at;
        unsigned char *p = (unsigned char *)(start + (at - moved));
        uint64_t to = (uint64_t)table[i].entry; /* movabs $to,%rax; jmp *%rax */
        p[0] = 0x48, p[1] = 0xb8;
        __builtin_memcpy(p + 2, &to, 8);
        p[10] = 0xff, p[11] = 0xe0;
    }
    /* __vdso_getrandom (newer kernels) keeps its state in user memory: make it answer ENOSYS, callers fall back. */
    uint64_t at = find(moved, "__vdso_getrandom");
    if (at) {
        static const unsigned char enosys[] = {0x48, 0xc7, 0xc0, 0xda, 0xff, 0xff, 0xff, 0xc3};
        castor_copy((void *)(start + (at - moved)), enosys, sizeof enosys);
    }
    CALL(SYS_mprotect, start, end - start, PROT_READ | PROT_EXEC, 0, 0, 0);
}
