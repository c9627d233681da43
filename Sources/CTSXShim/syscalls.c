/// The table of the instruction plane, expanded from castor_syscalls.def.
#include "ctsx.h"
#include <sys/syscall.h>

// A role, and which walks over the arguments (Arguments.swift) look at it: the call is compared by it, the log holds what is
// there, its length is kept before the call.
#define COMPARED 1
#define STORED 2
#define KEPT 4
#define PLAIN 8 /* a value */
#define NAMED 16 /* a descriptor */

#define ROLE_VALUE {CASTOR_ARG_VALUE, 0, 0}
#define WALKS_VALUE (COMPARED | PLAIN)
#define ROLE_IGNORE {CASTOR_ARG_IGNORE, 0, 0}
#define WALKS_IGNORE (0)
#define ROLE_FD {CASTOR_ARG_FD, 0, 0}
#define WALKS_FD (COMPARED | NAMED)
#define ROLE_PATH {CASTOR_ARG_PATH, 0, 0}
#define WALKS_PATH (COMPARED | STORED)
#define ROLE_LENGTH {CASTOR_ARG_LENGTH, 0, 0}
#define WALKS_LENGTH (0)
#define ROLE_SPECIAL {CASTOR_ARG_SPECIAL, 0, 0}
#define WALKS_SPECIAL (STORED)
#define ROLE_IN(aux) {CASTOR_ARG_IN, aux, 0}
#define WALKS_IN(aux) (COMPARED)
#define ROLE_IN_FIXED(size) {CASTOR_ARG_IN_FIXED, 0, size}
#define WALKS_IN_FIXED(size) (COMPARED | STORED) /* epoll_ctl's event: see Tokens.swift */
#define ROLE_IN_IOV(aux) {CASTOR_ARG_IN_IOV, aux, 0}
#define WALKS_IN_IOV(aux) (COMPARED)
#define ROLE_IN_MSG {CASTOR_ARG_IN_MSG, 0, 0}
#define WALKS_IN_MSG (COMPARED)
#define ROLE_IN_MMSG(aux) {CASTOR_ARG_IN_MMSG, aux, 0}
#define WALKS_IN_MMSG(aux) (COMPARED | STORED)
#define ROLE_OUT(size) {CASTOR_ARG_OUT, 0, size}
#define WALKS_OUT(size) (STORED)
#define ROLE_OUT_LEN(aux, size) {CASTOR_ARG_OUT_LEN, aux, size}
#define WALKS_OUT_LEN(aux, size) (STORED)
#define ROLE_OUT_FIXED(size) {CASTOR_ARG_OUT_FIXED, 0, size}
#define WALKS_OUT_FIXED(size) (STORED)
#define ROLE_OUT_IOV(aux) {CASTOR_ARG_OUT_IOV, aux, 0}
#define WALKS_OUT_IOV(aux) (STORED)
#define ROLE_OUT_MSG {CASTOR_ARG_OUT_MSG, 0, 0}
#define WALKS_OUT_MSG (STORED | KEPT)
#define ROLE_OUT_MMSG(aux) {CASTOR_ARG_OUT_MMSG, aux, 0}
#define WALKS_OUT_MMSG(aux) (STORED | KEPT)
#define ROLE_OUT_SOCKLEN(aux) {CASTOR_ARG_OUT_SOCKLEN, aux, 0}
#define WALKS_OUT_SOCKLEN(aux) (STORED | KEPT)
#define ROLE_INOUT_FIXED(size) {CASTOR_ARG_INOUT_FIXED, 0, size}
#define WALKS_INOUT_FIXED(size) (STORED)
#define ROLE_INOUT_LEN(aux, size) {CASTOR_ARG_INOUT_LEN, aux, size}
#define WALKS_INOUT_LEN(aux, size) (STORED)
#define ROLE_FDSET(aux) {CASTOR_ARG_FDSET, aux, 0}
#define WALKS_FDSET(aux) (STORED)
#define ROLE_OUT_EINTR(size) {CASTOR_ARG_OUT_EINTR, 0, size}
#define WALKS_OUT_EINTR(size) (STORED)
#define ROLE_ABSENT {CASTOR_ARG_IGNORE, 0, 0}
#define WALKS_ABSENT 0

/// Pads a row's arguments to six.
#define SIX(macro, ...) macro(__VA_ARGS__ __VA_OPT__(,) ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT)
#define ROLES(a, b, c, d, e, f, ...) {ROLE_##a, ROLE_##b, ROLE_##c, ROLE_##d, ROLE_##e, ROLE_##f}
#define BIT(walk, word, i) ((word) & walk ? 1 << i : 0)
#define MASK(walk, a, b, c, d, e, f, ...)                                                                \
    (BIT(walk, WALKS_##a, 0) | BIT(walk, WALKS_##b, 1) | BIT(walk, WALKS_##c, 2) | BIT(walk, WALKS_##d, 3) | \
     BIT(walk, WALKS_##e, 4) | BIT(walk, WALKS_##f, 5))
#define COMPARED_MASK(...) MASK(COMPARED, __VA_ARGS__)
#define STORED_MASK(...) MASK(STORED, __VA_ARGS__)
#define KEPT_MASK(...) MASK(KEPT, __VA_ARGS__)
// Values from the third argument on, which are mixed in any order with all else but a second descriptor.
#define VALUES_MASK(...) (MASK(NAMED, __VA_ARGS__) & ~0b1 ? 0 : MASK(PLAIN, __VA_ARGS__) & ~0b11)
#define SEVENTH(a, b, c, d, e, f, g, ...) g
#define COUNT(...) SEVENTH(__VA_ARGS__ __VA_OPT__(,) 6, 5, 4, 3, 2, 1, 0)

/// The calls that servers make most: read, write, stat to lseek, pread64 to writev, sendfile, sendto to recvmsg, epoll_wait,
/// newfstatat. While nothing disturbs, no code but their rows knows them by number; so they take the short way of Usual.swift.
#define USUAL(nr)                                                                                    \
    ((nr) <= 1 || ((nr) >= 4 && (nr) <= 8) || ((nr) >= 17 && (nr) <= 20) || (nr) == 40 ||            \
     ((nr) >= 44 && (nr) <= 47) || (nr) == 232 || (nr) == 262)

#define ROW(number, name, order, object, replay, descriptors, support, note, ...)                                   \
    [number] = {#name, CASTOR_ORDER_##order, CASTOR_OBJ_##object, CASTOR_REPLAY_##replay, CASTOR_FD_##descriptors,  \
                CASTOR_SUPPORT_##support, COUNT(__VA_ARGS__), SIX(COMPARED_MASK, __VA_ARGS__),                      \
                SIX(STORED_MASK, __VA_ARGS__), SIX(KEPT_MASK, __VA_ARGS__), SIX(VALUES_MASK, __VA_ARGS__),          \
                USUAL(number), SIX(ROLES, __VA_ARGS__), note},

const castor_syscall_row castor_syscall_table[CASTOR_SYSCALLS] = {
#include "castor_syscalls.def"
};

#define AGAIN(name, policy) [SYS_##name] = CASTOR_AGAIN_##policy,
const uint8_t castor_again_table[CASTOR_SYSCALLS] = {
#include "castor_standby.def"
};
