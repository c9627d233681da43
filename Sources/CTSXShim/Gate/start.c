/// The runtime's first moments: finds the segment, takes over system calls, clocks and signals, attaches the main
/// thread. Runs before every other constructor (-z initfirst). Without CASTOR_SEGMENT the runtime stays dormant.
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "castor_start.h"

__thread castor_thread castor_self __attribute__((tls_model("initial-exec")));
uint32_t castor_mode;
static castor_segment no_segment;
castor_segment *castor_seg = &no_segment;
castor_process castor_proc = {.stack_region = CASTOR_STACK_REGION};
castor_stack castor_stacks[CASTOR_STACKS];
castor_heap castor_heap_state;
castor_tables castor_own_tables;

static char maps_text[1 << 17];
static castor_map maps[1024];

static void fail(const char *message) {
    CALL(SYS_write, 2, "castor: ", 8, 0, 0, 0);
    CALL(SYS_write, 2, message, castor_length(message), 0, 0, 0);
    CALL(SYS_write, 2, "\n", 1, 0, 0, 0);
    CALL(SYS_exit_group, 125, 0, 0, 0, 0, 0);
}

static int ends_with(const char *s, const char *tail) {
    uint64_t n = castor_length(s), m = castor_length(tail);
    for (uint64_t i = 0; i < m; i++)
        if (n < m || s[n - m + i] != tail[i]) return 0;
    return 1;
}

static uint64_t read_maps(void) {
    uint64_t n = 0;
    int64_t fd = CALL(SYS_open, "/proc/self/maps", O_RDONLY, 0, 0, 0, 0), r;
    if (fd < 0) fail("cannot read /proc/self/maps: is /proc mounted?");
    while (n < sizeof maps_text - 1 && (r = CALL(SYS_read, fd, maps_text + n, sizeof maps_text - 1 - n, 0, 0, 0)) > 0)
        n += (uint64_t)r;
    CALL(SYS_close, fd, 0, 0, 0, 0, 0);
    maps_text[n] = 0;
    return n;
}

static const char *hex(const char *p, uint64_t *value) {
    for (*value = 0;; p++) {
        int d = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : -1;
        if (d < 0) return p;
        *value = *value * 16 + (uint64_t)d;
    }
}
static int parse_maps(void) {
    int n = 0;
    for (const char *p = maps_text; *p && n < 1024; n++) {
        castor_map *m = &maps[n];
        p = hex(p, &m->start);
        p = hex(p + 1, &m->end);
        m->executable = p[3] == 'x';
        for (int field = 0; field < 4; field++) { /* permissions, offset, device, inode */
            while (*p == ' ') p++;
            while (*p != ' ' && *p != '\n') p++;
        }
        while (*p == ' ') p++;
        unsigned k = 0;
        while (*p && *p != '\n') {
            if (k < sizeof m->name - 1) m->name[k++] = *p;
            p++;
        }
        m->name[k] = 0;
        if (*p) p++;
    }
    return n;
}

/// What the kernel tells the program about itself. AT_RANDOM seeds the stack protector and the pointer guard; programs
/// may read it too.
static uint64_t entry_point;
static void find_image(castor_image *image, char **argv, char **envp) {
    uint64_t first = (uint64_t)argv[0], last = first;
    for (char **a = argv; *a; a++) last = (uint64_t)*a + castor_length(*a) + 1;
    image->words = argv[0] ? argv[0] : "";
    image->words_length = last - first < 4096 ? (uint32_t)(last - first) : 4096;
    while (*envp) envp++;
    for (Elf64_auxv_t *a = (Elf64_auxv_t *)(envp + 1); a->a_type != AT_NULL; a++) {
        if (a->a_type == AT_RANDOM) image->random = (void *)a->a_un.a_val;
        if (a->a_type == AT_EXECFN) image->name = (char *)a->a_un.a_val;
        if (a->a_type == AT_ENTRY) entry_point = a->a_un.a_val;
    }
    image->name_length = (uint32_t)castor_length(image->name) + 1;
}

/// Replay has put the recorded bytes in place before any constructor of the program ran (only the loader's frames are on
/// the stack, and those that are use no canary).
static void seed_guards(const castor_image *image) {
    uint64_t canary, guard;
    castor_copy(&canary, image->random, 8);
    castor_copy(&guard, (char *)image->random + 8, 8);
    canary &= ~0xfful;
    __asm__ volatile("mov %0, %%fs:0x28; mov %1, %%fs:0x30" ::"r"(canary), "r"(guard) : "memory");
}

static const char *fixed_hex(const char *p, int digits, uint64_t *value) {
    *value = 0;
    for (int i = 0; i < digits; i++, p++) *value = *value * 16 + (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
    return p;
}
/// What castor_exec_environment wrote: after the descriptor's number, if the program was executed by a recorded one.
static void read_handover(castor_image *image, const char *p) {
    uint64_t value, word;
    while (*p >= '0' && *p <= '9') p++;
    if (*p != '.') return;
    p = fixed_hex(p + 1, 8, &value);
    image->stream = (uint32_t)value;
    p = fixed_hex(p + 1, 8, &value);
    image->parent = (uint32_t)value;
    p = fixed_hex(p + 1, 1, &value);
    image->borrowed = (uint32_t)value;
    p = fixed_hex(p + 1, 8, &value);
    castor_proc.next_object = (uint32_t)value;
    p++;
    for (uint64_t i = 0; i < CASTOR_ANCESTORS; i++) {
        p = fixed_hex(p, 8, &value);
        p = fixed_hex(p, 8, &word);
        castor_proc.ancestors[i] = (castor_ancestor){(uint32_t)value, (uint32_t)word};
    }
    while (*p == '.') {
        p = fixed_hex(p + 1, 4, &value);
        p = fixed_hex(p, 8, &word);
        *castor_descriptor(value) = (uint32_t)word;
    }
}

static int map_segment(const char *number) {
    int64_t fd = 0;
    while (*number >= '0' && *number <= '9') fd = fd * 10 + *number++ - '0';
    castor_segment header;
    int64_t r = CALL(SYS_pread64, fd, &header, sizeof header, 0, 0, 0);
    if (r != sizeof header || header.magic != CASTOR_MAGIC) return 0; /* an unrecorded child of a recorded program: stay dormant */
    if (header.abi != CASTOR_ABI_VERSION) fail("the runtime and the castor command are of different versions");
    uint64_t at = header.options & CASTOR_OPT_SANITIZED ? CASTOR_SANITIZED_SEGMENT : CASTOR_SEGMENT_ADDRESS;
    r = CALL(SYS_mmap, at, header.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0);
    if (r != (int64_t)at) fail("cannot map the shared segment");
    castor_proc.segment_fd = (int32_t)fd;
    CALL(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC, 0, 0, 0);
    CALL(SYS_madvise, r, header.bytes, MADV_DONTDUMP, 0, 0, 0); /* gigabytes of rings would go into every core file */
    castor_seg = (castor_segment *)at;
    return 1;
}

static void add_sanitizer(uint64_t start, uint64_t end) {
    if (castor_proc.sanitizers >= sizeof castor_proc.sanitizer / 16) fail("too many pieces of sanitizers");
    castor_proc.sanitizer[2 * castor_proc.sanitizers] = start;
    castor_proc.sanitizer[2 * castor_proc.sanitizers++ + 1] = end;
}
static int starts_with(const char *s, const char *head) {
    while (*head && *s == *head) s++, head++;
    return !*head;
}
int castor_is_sanitizer(const char *path) {
    const char *name = path;
    for (const char *s = path; *s && *s != ':'; s++)
        if (*s == '/') name = s + 1;
    return starts_with(name, "libasan.so") || starts_with(name, "libtsan.so") || starts_with(name, "libclang_rt.");
}
/// Replay with a sanitizer: where code of a sanitizer's runtime is, in the program's file or a library of its own.
static void find_sanitizer(int count) {
    const castor_lenient *l = &castor_seg->lenient;
    uint64_t base = entry_point - l->entry;
    castor_proc.stack_region = CASTOR_SANITIZED_STACKS;
    if (l->sanitizer_end) add_sanitizer(base + l->sanitizer_start, base + l->sanitizer_end);
    for (int i = 0; i < count; i++)
        if (maps[i].executable && castor_is_sanitizer(maps[i].name)) add_sanitizer(maps[i].start, maps[i].end);
}

static void take_signals(void) {
    castor_action a = {(uint64_t)castor_sigsys, SA_SIGINFO | SA_NODEFER | SA_RESTART | 0x04000000,
                       castor_restorer_address(), 0};
    CALL(SYS_rt_sigaction, SIGSYS, &a, 0, 8, 0, 0);
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (int s = 1; s <= 64; s++)
        if (s != SIGSYS) CALL(SYS_rt_sigaction, s, 0, castor_action_at((uint64_t)s), 8, 0, 0);
    castor_action c = {castor_signal_entry_address(), SA_SIGINFO | 0x04000000, castor_restorer_address(), 0};
    CALL(SYS_rt_sigaction, CASTOR_SIGCANCEL, &c, 0, 8, 0, 0);
    castor_action_at(CASTOR_SIGCANCEL)->handler = (uint64_t)(void *)castor_cancel_self;
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (castor_action_at((uint64_t)faults[i])->handler) continue; /* inherited SIG_IGN */
        castor_action f = {castor_signal_entry_address(), SA_SIGINFO | SA_ONSTACK | 0x04000000, castor_restorer_address(), 0};
        CALL(SYS_rt_sigaction, faults[i], &f, 0, 8, 0, 0);
    }
}

__attribute__((constructor(101))) static void castor_start(int argc, char **argv, char **envp) {
    (void)argc;
    static const char name[] = CASTOR_ENV "=";
    const char *number = 0;
    for (char **e = envp; e && *e; e++) {
        unsigned i = 0;
        while (name[i] && (*e)[i] == name[i]) i++;
        if (!name[i]) number = *e + i;
    }
    if (!number || !map_segment(number)) return;
    static castor_image image = {.parent = CASTOR_NO_SHARD};
    find_image(&image, argv, envp);
    read_handover(&image, number);
    castor_exec_strip(envp);
    image.maps_length = (uint32_t)read_maps();
    image.maps = maps_text;
    int count = parse_maps();
    for (int i = 0; i < count; i++) {
        if (!maps[i].executable || maps[i].name[0] != '/') continue;
        if (ends_with(maps[i].name, "/libc.so.6")) castor_proc.libc_start = maps[i].start, castor_proc.libc_end = maps[i].end;
        if (maps[i].start <= (uint64_t)castor_gate_start && (uint64_t)castor_gate_start < maps[i].end)
            castor_proc.runtime_start = maps[i].start, castor_proc.runtime_end = maps[i].end;
        if (ends_with(maps[i].name, "/ld-linux-x86-64.so.2"))
            castor_proc.loader_start = maps[i].start, castor_proc.loader_end = maps[i].end;
    }
    if (castor_is_sanitized()) find_sanitizer(count);
    castor_proc.has_rtm = castor_seg->options & CASTOR_OPT_TRANSACTIONS && castor_rtm_self_test() != 0;
    castor_proc.syscall_start = (uint64_t)(void *)syscall;
    castor_proc.syscall_end = castor_proc.syscall_start + 48;
    take_signals();
    castor_vdso_take(maps, count);
    for (int i = 0; i < count; i++)
        if (maps[i].executable && maps[i].name[0] == '/') castor_patch(maps[i].start, maps[i].end);
    castor_attach_image(&image);
    if (castor_mode == CASTOR_MODE_REPLAY) seed_guards(&image);
    castor_arm();
}
