/// dlopen, which looks at its caller: a name without a slash is searched in the caller's RUNPATH, and $ORIGIN is where
/// the caller lies. A wrapper in between would be the caller.
#include <elf.h>
#include <link.h>
#include "ordered.h"

/// Calls `function` so that it returns to `gadget`, a `ret` in the caller's own code, and from there to us.
__asm__(
    ".text\n.local castor_call_as\n.type castor_call_as, @function\n"
    "castor_call_as:\n"
    ".cfi_startproc\n"
    "test %r8, %r8\n"
    "jz 1f\n"
    "push %r8\n" /* twice, for the stack's alignment */
    ".cfi_adjust_cfa_offset 8\n"
    "push %r8\n"
    ".cfi_adjust_cfa_offset 8\n"
    "1: jmp *%rcx\n"
    ".cfi_endproc\n"
    ".size castor_call_as, .-castor_call_as\n");
extern void *castor_call_as(uint64_t a0, uint64_t a1, uint64_t a2, void *function, const uint8_t *gadget) CASTOR_HIDDEN;

#define RET 0xc3

/// Only where it matters who calls: elsewhere debuggers and exceptions see the frames as they are.
static const uint8_t *gadget(const uint8_t *caller, const char *path) {
    Dl_info info;
    struct link_map *map;
    struct dl_find_object object;
    int matters = 0;
    if (!path || !dladdr1(caller, &info, (void **)&map, RTLD_DL_LINKMAP)) return 0;
    for (const char *c = path; *c; c++) matters |= *c == '$';
    for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++) matters |= d->d_tag == DT_RPATH || d->d_tag == DT_RUNPATH;
    if (!matters || _dl_find_object((void *)caller, &object) != 0) return 0;
    for (const uint8_t *c = caller; c < (const uint8_t *)object.dlfo_map_end; c++)
        if (*c == RET) return c;
    return 0;
}

/// A jump, not a call, also the first time: the frame of a wrapper that orders nothing is gone.
#define JUMP __attribute__((musttail)) return
#define LOADS(name, parameters, arguments, path, a0, a1, a2)                                    \
    static void *name##_first parameters;                                                       \
    static void *(*real_##name) parameters = name##_first;                                      \
    REGISTERED(name)                                                                            \
    static void *name##_first parameters {                                                      \
        *(void **)&real_##name = castor_find(#name);                                            \
        JUMP real_##name arguments;                                                             \
    }                                                                                           \
    static __attribute__((noinline)) void *name##_ordered(uint64_t b0, uint64_t b1, uint64_t b2, \
                                                          const char *p, const uint8_t *caller) { \
        HOLD(loader);                                                                           \
        return castor_call_as(b0, b1, b2, (void *)real_##name, gadget(caller, p));              \
    }                                                                                           \
    NAMED(void *, name, parameters) {                                                           \
        if (ORDERLY(castor_is_ordered()))                                                       \
            return name##_ordered(a0, a1, a2, path, __builtin_return_address(0));               \
        JUMP real_##name arguments;                                                             \
    }
LOADS(dlopen, (const char *p, int mode), (p, mode), p, (uint64_t)p, (uint64_t)mode, 0)
LOADS(dlmopen, (Lmid_t n, const char *p, int mode), (n, p, mode), p, (uint64_t)n, (uint64_t)p, (uint64_t)mode)

/// It is found by dlvsym, for it is what finds the others.
static void *dlsym_first(void *h, const char *name);
static void *(*real_dlsym)(void *, const char *) = dlsym_first;
static void *dlsym_first(void *h, const char *name) {
    void *found = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    if (!found) found = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    if (!found) __builtin_trap();
    *(void **)&real_dlsym = found;
    JUMP real_dlsym(h, name);
}
static __attribute__((noinline)) void *dlsym_ordered(void *h, const char *name) {
    HOLD(loader);
    return real_dlsym(h, name);
}
NAMED(void *, dlsym, (void *h, const char *name)) {
    if (ORDERLY(castor_is_ordered()) && h != RTLD_NEXT && h != RTLD_DEFAULT) return dlsym_ordered(h, name);
    JUMP real_dlsym(h, name);
}
