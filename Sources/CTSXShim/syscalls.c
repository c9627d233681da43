/// The table of the instruction plane, expanded from castor_syscalls.def.
#include "ctsx.h"

#define VALUE {CASTOR_ARG_VALUE, 0, 0}
#define IGNORE {CASTOR_ARG_IGNORE, 0, 0}
#define FD {CASTOR_ARG_FD, 0, 0}
#define PATH {CASTOR_ARG_PATH, 0, 0}
#define LENGTH {CASTOR_ARG_LENGTH, 0, 0}
#define SPECIAL {CASTOR_ARG_SPECIAL, 0, 0}
#define IN(aux) {CASTOR_ARG_IN, aux, 0}
#define IN_FIXED(size) {CASTOR_ARG_IN_FIXED, 0, size}
#define IN_IOV(aux) {CASTOR_ARG_IN_IOV, aux, 0}
#define IN_MSG {CASTOR_ARG_IN_MSG, 0, 0}
#define IN_MMSG(aux) {CASTOR_ARG_IN_MMSG, aux, 0}
#define OUT(size) {CASTOR_ARG_OUT, 0, size}
#define OUT_LEN(aux, size) {CASTOR_ARG_OUT_LEN, aux, size}
#define OUT_FIXED(size) {CASTOR_ARG_OUT_FIXED, 0, size}
#define OUT_IOV(aux) {CASTOR_ARG_OUT_IOV, aux, 0}
#define OUT_MSG {CASTOR_ARG_OUT_MSG, 0, 0}
#define OUT_MMSG(aux) {CASTOR_ARG_OUT_MMSG, aux, 0}
#define OUT_SOCKLEN(aux) {CASTOR_ARG_OUT_SOCKLEN, aux, 0}
#define INOUT_FIXED(size) {CASTOR_ARG_INOUT_FIXED, 0, size}
#define INOUT_LEN(aux, size) {CASTOR_ARG_INOUT_LEN, aux, size}
#define FDSET(aux) {CASTOR_ARG_FDSET, aux, 0}
#define OUT_EINTR(size) {CASTOR_ARG_OUT_EINTR, 0, size}

/// Number of arguments a row was given: an array's length, so that it cannot disagree with the row.
#define COUNT(...) (sizeof((const castor_argument[]){__VA_ARGS__}) / sizeof(castor_argument))
#define ROW(number, name, order, object, replay, descriptors, support, note, ...)                            \
    [number] = {#name, CASTOR_ORDER_##order, CASTOR_OBJ_##object, CASTOR_REPLAY_##replay,                    \
                CASTOR_FD_##descriptors, CASTOR_SUPPORT_##support, COUNT(__VA_ARGS__), {__VA_ARGS__}, note},

const castor_syscall_row castor_syscall_table[CASTOR_SYSCALLS] = {
#include "castor_syscalls.def"
};
