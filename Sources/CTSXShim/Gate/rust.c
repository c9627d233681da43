/// Programs of Rust's. Its standard library enters the guard page of every thread's stack in one table, for a better
/// message when a stack overflows, unless it finds at its start that faults are handled already. The table is behind a
/// lock that came compiled: whoever finds it held waits in the kernel, and whoever finds its node full allocates the next
/// one. Neither is in any log's order, so the library is told that faults are handled (Signals.swift).
#include <elf.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include "castor_start.h"

static int64_t read_at(int64_t fd, void *to, uint64_t size, uint64_t offset) {
    return CALL(SYS_pread64, fd, to, size, offset, 0, 0);
}

static int contains(const char *text, int64_t length, const char *word) {
    int64_t n = (int64_t)castor_length(word);
    for (int64_t i = 0; i + n <= length; i++) {
        int64_t k = 0;
        while (k < n && text[i + k] == word[k]) k++;
        if (k == n) return 1;
    }
    return 0;
}

/// Whether the object file's comment names the compiler.
static int is_named(int64_t fd) {
    Elf64_Ehdr h;
    Elf64_Shdr names, s;
    if (read_at(fd, &h, sizeof h, 0) != sizeof h || h.e_shentsize != sizeof s) return 0;
    if (read_at(fd, &names, sizeof names, h.e_shoff + h.e_shstrndx * sizeof s) != sizeof names) return 0;
    for (unsigned i = 0; i < h.e_shnum; i++) {
        static const char wanted[] = ".comment";
        char name[sizeof wanted], text[1024];
        if (read_at(fd, &s, sizeof s, h.e_shoff + i * sizeof s) != sizeof s) return 0;
        if (s.sh_type != SHT_PROGBITS || s.sh_flags & SHF_ALLOC) continue;
        if (read_at(fd, name, sizeof name, names.sh_offset + s.sh_name) != sizeof name) continue;
        if (name[sizeof name - 1] || !contains(name, sizeof name - 1, wanted)) continue;
        int64_t n = read_at(fd, text, s.sh_size < sizeof text ? s.sh_size : sizeof text, s.sh_offset);
        return contains(text, n, "rustc version");
    }
    return 0;
}

int32_t castor_is_rust(void) {
    int64_t fd = CALL(SYS_open, "/proc/self/exe", O_RDONLY | O_CLOEXEC, 0, 0, 0, 0);
    if (fd < 0) return 0;
    int is = is_named(fd);
    CALL(SYS_close, fd, 0, 0, 0, 0, 0);
    return is;
}
