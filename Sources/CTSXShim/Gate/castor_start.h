/// Private to the C side.
#pragma once
#include "castor_gate.h"

#define CALL(nr, a, b, c, d, e, f) \
    castor_gate_syscall(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f))

/// One line of /proc/self/maps.
typedef struct castor_map {
    uint64_t start, end;
    int executable;
    char name[256];
} castor_map;
CASTOR_HIDDEN void castor_vdso_take(const castor_map *maps, int count);
CASTOR_HIDDEN void castor_sigsys(int s, void *info, void *context);
/// Whether a path, up to a colon, is that of a sanitizer's runtime.
CASTOR_HIDDEN int castor_is_sanitizer(const char *path);
/// Takes the recorder's own variables out of a new program's environment.
CASTOR_HIDDEN void castor_exec_strip(char **envp);
