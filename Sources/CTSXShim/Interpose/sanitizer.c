/// Replay of a build with AddressSanitizer or ThreadSanitizer. The sanitizer's runtime stands before ours: in the program's
/// file, or in a library that the tool has loaded first. So its wrappers call ours, as they would call libc.
#include <link.h>
#include <sys/mman.h>
#include "sanitizer.h"

// MARK: - Its start

/// ThreadSanitizer looks these two up by their version, to which a library without versions does not answer. Wherever its
/// variables have libc's function, they get ours.
static const struct { const char *name; void *ours; } versioned[] = {
    {"pthread_cond_wait", (void *)castor_own_pthread_cond_wait},
    {"pthread_cond_timedwait", (void *)castor_own_pthread_cond_timedwait},
};
static void replace(uint64_t start, uint64_t end) {
    for (unsigned i = 0; i < sizeof versioned / sizeof *versioned; i++) {
        uint64_t libcs = (uint64_t)dlvsym(RTLD_NEXT, versioned[i].name, "GLIBC_2.3.2");
        for (uint64_t p = (start + 7) & ~7ul; libcs && p + 8 <= end; p += 8)
            if (*(uint64_t *)p == libcs) *(uint64_t *)p = (uint64_t)versioned[i].ours;
    }
}
/// In the module that `code` belongs to. What is read-only once it has been relocated lies first.
static void replace_around(void *code) {
    Dl_info info;
    struct link_map *map;
    if (!dladdr1(code, &info, (void **)&map, RTLD_DL_LINKMAP)) return;
    const ElfW(Ehdr) *head = info.dli_fbase;
    const ElfW(Phdr) *p = (void *)((char *)head + head->e_phoff);
    uint64_t fixed = 0;
    for (int i = 0; i < head->e_phnum; i++)
        if (p[i].p_type == PT_GNU_RELRO) fixed = (map->l_addr + p[i].p_vaddr + p[i].p_memsz + 4095) & ~4095ul;
    for (int i = 0; i < head->e_phnum; i++) {
        if (p[i].p_type != PT_LOAD || !(p[i].p_flags & PF_W)) continue;
        uint64_t start = map->l_addr + p[i].p_vaddr, end = start + p[i].p_memsz;
        if (start < fixed && fixed < end) start = fixed;
        else if (end <= fixed) continue;
        replace(start, end);
    }
}

/// The options that the tool gave it are not the program's.
static void strip_options(char **envp) {
    char **to = envp;
    for (char **from = envp; *from; from++) {
        const char *equals = *from;
        while (*equals && *equals != '=') equals++;
        static const char tail[] = "SAN_OPTIONS";
        int64_t n = equals - *from - (int64_t)(sizeof tail - 1);
        if (n != 1 || __builtin_memcmp(*from + n, tail, sizeof tail - 1)) *to++ = *from;
    }
    while (*to) *to++ = 0;
}

/// It would start by itself soon after. What it does there, much of it by libc's functions, is no event. Before anything else
/// here allocates: that would start it, too.
__attribute__((constructor(102))) static void start(int argc, char **argv, char **envp) {
    (void)argc, (void)argv;
    static const char *const names[] = {"__tsan_init", "__asan_init"};
    void (*begin)(void) = 0;
    if (!castor_is_sanitized() || castor_mode_now() != CASTOR_MODE_REPLAY || !castor_proc.sanitizers) return;
    castor_proc.brings_heap = 1;
    castor_self.vforked = 1;
    for (unsigned i = 0; i < sizeof names / sizeof *names && !begin; i++) {
        begin = (void (*)(void))dlsym(RTLD_DEFAULT, names[i]);
        if (!castor_is_sanitizers((uint64_t)(void *)begin)) begin = 0; /* the compiler plane answers to the other's name */
    }
    if (begin) begin();
    castor_self.vforked = 0;
    strip_options(envp);
    if (begin) replace_around((void *)begin);
}

// MARK: - Beside it

int castor_sanitizers_thread(
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *), pthread_t *t, void *(*f)(void *), void *p) {
    castor_self.creating = 1;
    int result = create(t, 0, f, p);
    castor_self.creating = 0;
    return result;
}

/// Its shadow is laid over where the heap would be; memory of our own comes from the kernel.
#define HEAD 64
void *castor_own_allocate(uint64_t n) {
    if (!castor_proc.brings_heap) return castor_allocate(n);
    uint64_t size = (n + HEAD + 4095) & ~4095ul;
    int64_t r = castor_gate_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0);
    if (r < 0) return 0;
    *(uint64_t *)r = size;
    return (char *)r + HEAD;
}
void castor_own_free(void *p) {
    if (!castor_proc.brings_heap) castor_free(p);
    else castor_gate_syscall(SYS_munmap, (uint64_t)p - HEAD, *(uint64_t *)((char *)p - HEAD), 0, 0, 0, 0);
}
