/// Programs that a recorded one executes: whether they can be recorded, and the environment by which the runtime in
/// them finds the segment. Its own variables are added here and taken out again at their start (start.c), so that no
/// program sees them and each passes on what it wants.
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "castor_start.h"

#define AREA_BYTES 0x400000ul
#define AREA(stream) (0x6b0000000000ul + (uint64_t)(stream) * AREA_BYTES)
#define ENVIRONMENT_OFFSET 0x4000ul
#define INTERPRETERS 4

char castor_runtime_path[512];

static uint64_t append(char *to, uint64_t at, const char *text) {
    uint64_t n = castor_length(text);
    castor_copy(to + at, text, n + 1);
    return at + n;
}
static uint64_t append_hex(char *to, uint64_t at, uint64_t value, int digits) {
    for (int i = digits - 1; i >= 0; i--) to[at++] = "0123456789abcdef"[value >> (4 * i) & 15];
    to[at] = 0;
    return at;
}
static uint64_t append_number(char *to, uint64_t at, uint64_t value) {
    char digits[24];
    int n = 0;
    do digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n) to[at++] = digits[--n];
    to[at] = 0;
    return at;
}
static int starts_with(const char *s, const char *head) {
    while (*head && *s == *head) s++, head++;
    return !*head;
}
static const char *base_name(const char *path) {
    const char *base = path;
    for (; *path; path++)
        if (*path == '/') base = path + 1;
    return base;
}

castor_exec *castor_exec_area(uint32_t stream) {
    int64_t r = CALL(SYS_mmap, AREA(stream), AREA_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    return r < 0 ? 0 : (castor_exec *)r;
}
void castor_exec_done(uint32_t stream) { CALL(SYS_munmap, AREA(stream), AREA_BYTES, 0, 0, 0, 0); }

castor_tables *castor_tables_copy(void) {
    int64_t r = CALL(SYS_mmap, 0x6a0000000000ul + castor_self.stream * 0x100000ul, sizeof(castor_tables), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r < 0) return 0;
    castor_tables *from = castor_tables_now(), *to = (castor_tables *)r;
    uint64_t count = CASTOR_DESCRIPTORS;
    while (count && !from->descriptors[count - 1]) count--;
    castor_copy(to->actions, from->actions, sizeof to->actions);
    castor_copy(to->descriptors, from->descriptors, count * sizeof to->descriptors[0]);
    return to;
}
void castor_tables_drop(castor_tables *t) { CALL(SYS_munmap, t, sizeof *t, 0, 0, 0, 0); }

// MARK: - Examining

static int unrecorded(castor_exec *x, const char *reason) {
    x->verdict = CASTOR_IMAGE_UNRECORDED;
    x->reason = reason;
    return 0;
}

/// A dynamic program for this machine's own loader, from whose start-up the runtime can take over.
static void examine_elf(castor_exec *x, int64_t fd, const unsigned char *head, int64_t length) {
    const Elf64_Ehdr *h = (const void *)head;
    if (length < (int64_t)sizeof *h) {
        x->verdict = CASTOR_IMAGE_FAILS;
        return;
    }
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_machine != EM_X86_64) {
        unrecorded(x, "it is not a 64-bit x86 program");
        return;
    }
    for (unsigned i = 0; i < h->e_phnum; i++) {
        Elf64_Phdr p;
        char loader[64];
        if (CALL(SYS_pread64, fd, &p, sizeof p, h->e_phoff + i * sizeof p, 0, 0) != sizeof p) break;
        if (p.p_type != PT_INTERP) continue;
        int64_t n = CALL(SYS_pread64, fd, loader, sizeof loader - 1, p.p_offset, 0, 0);
        loader[n < 0 ? 0 : n] = 0;
        char wanted[] = "ld-linux-x86-64.so.2";
        const char *a = base_name(loader), *b = wanted;
        while (*a && *a == *b) a++, b++;
        if (*a || *b) unrecorded(x, "its C library is not glibc");
        return;
    }
    unrecorded(x, "it is statically linked");
}

static int64_t open_program(int32_t directory, const char *path, uint64_t flags) {
    if (!*path && flags & AT_EMPTY_PATH) {
        char link[64];
        append_number(link, append(link, 0, "/proc/self/fd/"), (uint32_t)directory);
        return CALL(SYS_open, link, O_RDONLY | O_CLOEXEC, 0, 0, 0, 0);
    }
    return CALL(SYS_openat, directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, 0, 0);
}

/// `#!interpreter [argument]`: both go before what is there already. Gives the interpreter's path, or null.
static const char *take_line(castor_exec *x, char *head, int64_t length) {
    char *p = head + 2, *end = head + length;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    char *interpreter = p;
    while (p < end && *p != ' ' && *p != '\t' && *p != '\n' && *p) p++;
    if (p == interpreter || p == end) return 0;
    int more = *p == ' ' || *p == '\t';
    *p++ = 0;
    char *argument = 0;
    if (more) {
        while (p < end && (*p == ' ' || *p == '\t')) p++;
        argument = p;
        while (p < end && *p != '\n' && *p) p++;
        char *last = p;
        while (last > argument && (last[-1] == ' ' || last[-1] == '\t')) last--;
        if (last < end) *last = 0;
        if (last == argument) argument = 0;
    }
    uint64_t a = castor_length(interpreter) + 1, b = argument ? castor_length(argument) + 1 : 0;
    if (x->words_length + a + b > sizeof x->words) return 0;
    char rest[sizeof x->words];
    castor_copy(rest, x->words, x->words_length);
    castor_copy(x->words, interpreter, a);
    if (b) castor_copy(x->words + a, argument, b);
    castor_copy(x->words + a + b, rest, x->words_length);
    x->words_length += (uint32_t)(a + b);
    return x->words;
}

static int is_chosen(const castor_exec *x) {
    const char *name = castor_seg->only;
    if (!*name) return 1;
    for (; *name; name += castor_length(name) + 1) {
        const char *a = name, *b = base_name(x->name);
        while (*a && *a == *b) a++, b++;
        if (!*a && !*b) return 1;
    }
    return 0;
}

void castor_exec_examine(castor_exec *x, int32_t directory, const char *path, uint64_t flags) {
    *(volatile uint32_t *)&x->verdict = CASTOR_IMAGE_RECORDED;
    x->words_length = 0;
    x->reason = 0;
    uint64_t n = 0;
    if (directory != AT_FDCWD && *path != '/') {
        n = append_number(x->name, append(x->name, 0, "/dev/fd/"), (uint32_t)directory);
        if (*path) n = append(x->name, n, "/");
    }
    if (n + castor_length(path) >= sizeof x->name) {
        x->verdict = CASTOR_IMAGE_FAILS;
        return;
    }
    append(x->name, n, path);
    for (int depth = 0;; depth++) {
        int64_t fd = open_program(directory, path, flags);
        if (fd < 0) {
            x->verdict = CASTOR_IMAGE_FAILS;
            if (fd == -EACCES && CALL(SYS_faccessat, directory, path, 1 /* X_OK */, 0, 0, 0) == 0)
                unrecorded(x, "it cannot be read");
            return;
        }
        char link[64], head[512];
        append_number(link, append(link, 0, "/proc/self/fd/"), (uint64_t)fd);
        int64_t m = CALL(SYS_readlink, link, x->path, sizeof x->path - 1, 0, 0, 0);
        x->path[m < 0 ? 0 : m] = 0;
        struct stat status;
        int64_t length = CALL(SYS_pread64, fd, head, sizeof head - 1, 0, 0, 0);
        int regular = CALL(SYS_fstat, fd, &status, 0, 0, 0, 0) == 0 && S_ISREG(status.st_mode);
        const char *interpreter = 0;
        if (regular && length > 4 && head[0] == '#' && head[1] == '!' && depth < INTERPRETERS) {
            head[length] = 0;
            interpreter = take_line(x, head, length);
            if (!interpreter) x->verdict = CASTOR_IMAGE_FAILS;
        } else if (regular && length > 4 && starts_with(head, "\177ELF")) {
            examine_elf(x, fd, (unsigned char *)head, length);
            char capability[32];
            if (status.st_mode & S_ISUID && (int64_t)status.st_uid != CALL(SYS_geteuid, 0, 0, 0, 0, 0, 0))
                unrecorded(x, "it is setuid");
            else if (status.st_mode & S_ISGID && (int64_t)status.st_gid != CALL(SYS_getegid, 0, 0, 0, 0, 0, 0))
                unrecorded(x, "it is setgid");
            else if (CALL(SYS_fgetxattr, fd, "security.capability", capability, sizeof capability, 0, 0) > 0)
                unrecorded(x, "it has file capabilities");
            else if (CALL(SYS_access, castor_runtime_path, 4 /* R_OK */, 0, 0, 0, 0) != 0)
                unrecorded(x, "castor cannot be reached from its root directory");
            else if (!is_chosen(x))
                unrecorded(x, "it is not among the programs of --only");
        } else {
            x->verdict = CASTOR_IMAGE_FAILS;
        }
        CALL(SYS_close, fd, 0, 0, 0, 0, 0);
        if (!interpreter) return;
        path = interpreter;
        directory = AT_FDCWD;
        flags = 0;
    }
}

// MARK: - The environment

static const char no_rseq[] = CASTOR_NO_RSEQ;
static const char no_rdrand[] = CASTOR_OPENSSL "=" CASTOR_NO_RDRAND;

/// Segment descriptor, streams, whose connections there are, and which open file description each descriptor names.
static uint64_t put_segment(char *to, uint32_t stream, uint32_t parent, uint32_t borrowed) {
    uint64_t n = append_number(to, append(to, 0, CASTOR_ENV "="), (uint64_t)castor_proc.segment_fd);
    n = append_hex(to, append(to, n, "."), stream, 8);
    n = append_hex(to, append(to, n, "."), parent, 8);
    n = append_hex(to, append(to, n, "."), borrowed, 1);
    n = append_hex(to, append(to, n, "."), castor_proc.next_object, 8);
    n = append(to, n, ".");
    for (uint64_t i = 0; i < CASTOR_ANCESTORS; i++) {
        n = append_hex(to, n, castor_proc.ancestors[i].pid, 8);
        n = append_hex(to, n, castor_proc.ancestors[i].end, 8);
    }
    for (uint64_t fd = 0; fd < CASTOR_DESCRIPTORS; fd++) {
        uint32_t word = *castor_descriptor(fd);
        if (!word || (word & 15) >= CASTOR_DESCRIPTOR_CLOSED) continue;
        n = append_hex(to, append(to, n, "."), fd, 4);
        n = append_hex(to, n, word, 8);
    }
    return n;
}

uint64_t castor_exec_environment(castor_exec *x, uint64_t envp, uint32_t stream, uint32_t parent, uint32_t borrowed) {
    char **from = (char **)envp, **to = (char **)((char *)x + ENVIRONMENT_OFFSET);
    uint64_t count = 0;
    while (from && from[count]) count++;
    char *text = (char *)(to + count + 5), *end = (char *)x + AREA_BYTES;
    if (text + CASTOR_DESCRIPTORS * 13 + 4096 > end) return envp; /* more than the kernel would take */
    uint64_t n = 0;
    int has_preload = 0, has_tunables = 0, has_openssl = 0;
    for (uint64_t i = 0; i < count; i++) {
        char *e = from[i];
        uint64_t length = castor_length(e);
        int is_preload = starts_with(e, "LD_PRELOAD="), is_tunables = starts_with(e, "GLIBC_TUNABLES=");
        if (starts_with(e, CASTOR_ENV "=")) continue;
        if (starts_with(e, CASTOR_OPENSSL "=")) has_openssl = 1;
        if ((is_preload || is_tunables) && text + length + sizeof castor_runtime_path + 64 < end) {
            to[n++] = text;
            if (is_preload) {
                has_preload = 1;
                uint64_t k = append(text, append(text, 0, "LD_PRELOAD="), castor_runtime_path);
                if (e[11]) k = append(text, append(text, k, ":"), e + 11);
                text += k + 1;
            } else {
                has_tunables = 1;
                uint64_t k = append(text, 0, e);
                if (e[15]) k = append(text, k, ":");
                text += append(text, k, no_rseq) + 1;
            }
            continue;
        }
        to[n++] = e;
    }
    if (!has_preload) {
        to[n++] = text;
        text += append(text, append(text, 0, "LD_PRELOAD="), castor_runtime_path) + 1;
    }
    if (!has_tunables) {
        to[n++] = text;
        text += append(text, append(text, 0, "GLIBC_TUNABLES="), no_rseq) + 1;
    }
    if (!has_openssl) to[n++] = (char *)no_rdrand;
    to[n++] = text;
    put_segment(text, stream, parent, borrowed);
    to[n] = 0;
    return (uint64_t)to;
}

/// Takes the last `tail` (after a colon, if there is more) off a variable's value. True when nothing is left of it.
static int without_tail(char *variable, const char *tail) {
    uint64_t n = castor_length(variable), m = castor_length(tail);
    char *value = variable;
    while (*value != '=') value++;
    value++;
    if (n < m) return 0;
    const char *a = variable + n - m;
    for (const char *b = tail; *b; a++, b++)
        if (*a != *b) return 0;
    char *cut = variable + n - m;
    if (cut > value) cut--;
    *cut = 0;
    return cut == value;
}

void castor_exec_strip(char **envp) {
    char **to = envp;
    for (char **from = envp; *from; from++) {
        char *e = *from;
        int gone = starts_with(e, CASTOR_ENV "=");
        if (starts_with(e, "LD_PRELOAD=")) {
            char *end = e + 11;
            while (*end && *end != ':') end++;
            if (castor_is_sanitized() && castor_is_sanitizer(e + 11) && *end) { /* the tool has put it before the runtime */
                e = end + 1 - 11;
                castor_copy(e, "LD_PRELOAD=", 11);
                end++;
                while (*end && *end != ':') end++;
            }
            if (end - e - 11 < (int64_t)sizeof castor_runtime_path) {
                castor_copy(castor_runtime_path, e + 11, (uint64_t)(end - e) - 11);
                castor_runtime_path[end - e - 11] = 0;
            }
            gone = !*end;
            if (*end) { /* what the user asked for comes after the runtime */
                e = end + 1 - 11;
                castor_copy(e, "LD_PRELOAD=", 11);
            }
        }
        if (starts_with(e, "GLIBC_TUNABLES=")) gone = without_tail(e, no_rseq);
        if (!gone) *to++ = e;
    }
    while (*to) *to++ = 0;
}

// MARK: - Replay

/// A path with as many bytes as `name` has, by which the object file is found: names lie on the new program's stack,
/// and everything below has to be where it was.
static int64_t put_link(castor_exec *x, uint32_t stream, char *path) {
    char directory[sizeof castor_seg->scratch + 16];
    uint64_t n = append(directory, 0, castor_seg->scratch);
    CALL(SYS_mkdir, directory, 0700, 0, 0, 0, 0);
    append_hex(directory, append(directory, n, "/"), stream, 8);
    CALL(SYS_mkdir, directory, 0700, 0, 0, 0, 0);
    int64_t r = CALL(SYS_chdir, directory, 0, 0, 0, 0, 0);
    if (r < 0) return r;
    uint64_t length = castor_length(x->name), at = 0;
    while (length - at > 255) path[at++] = '.', path[at++] = '/';
    while (at < length) path[at++] = 'x';
    path[at] = 0;
    return CALL(SYS_symlink, x->path, path, 0, 0, 0, 0);
}

int64_t castor_exec_again(castor_exec *x, uint64_t argv, uint64_t envp, uint32_t stream) {
    char *path = x->name, link[sizeof x->name];
    if (x->words_length || *path != '/') {
        int64_t r = put_link(x, stream, link);
        if (r < 0) return r;
        path = link;
    }
    char **given = (char **)argv, **words = given;
    if (x->words_length) {
        uint64_t count = 0, n = 0;
        while (given && given[count]) count++;
        words = (char **)((char *)x + AREA_BYTES / 2);
        if (count * 8 + 128 > AREA_BYTES / 2) return -E2BIG;
        for (uint32_t at = 0; at < x->words_length; at += (uint32_t)castor_length(x->words + at) + 1) words[n++] = x->words + at;
        words[n++] = x->name;
        for (uint64_t i = 1; i < count; i++) words[n++] = given[i];
        words[n] = 0;
    }
    return CALL(SYS_execve, path, words, envp, 0, 0, 0);
}
