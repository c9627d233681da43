/// The tables of what is recorded, and how: a row for each system call, a number for each function of the symbol plane.
#pragma once
#include <stdint.h>

// MARK: - The table of the instruction plane

/// How one argument of a system call is read, written and compared. `aux` is the index of the argument that
/// gives a length, `size` a fixed size in bytes.
enum : uint8_t {
    CASTOR_ARG_NONE = 0,
    CASTOR_ARG_VALUE,      ///< plain value, compared on replay
    CASTOR_ARG_IGNORE,     ///< not compared: a pointer or an id that only names
    CASTOR_ARG_FD,         ///< descriptor
    CASTOR_ARG_PATH,       ///< NUL-terminated input string: logged and compared
    CASTOR_ARG_IN,         ///< input bytes, length in argument `aux` (or the result, if it is >= 0): hashed and compared
    CASTOR_ARG_IN_FIXED,   ///< input struct of `size` bytes: hashed and compared
    CASTOR_ARG_IN_IOV,     ///< input iovec array, count in argument `aux`: first `result` bytes hashed
    CASTOR_ARG_IN_MSG,     ///< msghdr sent
    CASTOR_ARG_IN_MMSG,    ///< mmsghdr array sent, count in argument `aux`; lengths are output
    CASTOR_ARG_OUT,        ///< output bytes: length is the result × `size` (size 0 means 1)
    CASTOR_ARG_OUT_LEN,    ///< output bytes: length in argument `aux` × `size` (size 0 means 1)
    CASTOR_ARG_OUT_FIXED,  ///< output struct of `size` bytes
    CASTOR_ARG_OUT_IOV,    ///< output iovec array, count in argument `aux`, `result` bytes
    CASTOR_ARG_OUT_MSG,    ///< msghdr received
    CASTOR_ARG_OUT_MMSG,   ///< mmsghdr array received, count in argument `aux`
    CASTOR_ARG_OUT_SOCKLEN,///< output bytes whose length is behind the pointer in argument `aux` (uint32_t in/out)
    CASTOR_ARG_LENGTH,     ///< that pointer
    CASTOR_ARG_INOUT_FIXED,///< input and output struct of `size` bytes: logged as output
    CASTOR_ARG_INOUT_LEN,  ///< input and output array, elements in argument `aux`, `size` bytes each
    CASTOR_ARG_FDSET,      ///< fd_set, highest descriptor + 1 in argument `aux`; input and output
    CASTOR_ARG_OUT_EINTR,  ///< output struct of `size` bytes, written only when the call was interrupted
    CASTOR_ARG_SPECIAL,    ///< depends on a command; see `special` in Arguments.swift
};

/// When a call's place in its object's order is taken.
enum : uint8_t {
    CASTOR_ORDER_NONE = 0,
    CASTOR_ORDER_BEFORE,   ///< it sends or frees: before it starts
    CASTOR_ORDER_AFTER,    ///< it receives or takes: after it returned
    CASTOR_ORDER_BOTH,     ///< two events
};

/// The object whose order a call takes part in.
enum : uint8_t {
    CASTOR_OBJ_NONE = 0,
    CASTOR_OBJ_FD0,        ///< the open file description behind argument 0
    CASTOR_OBJ_IPC,
    CASTOR_OBJ_FILES,
    CASTOR_OBJ_MEMORY,
    CASTOR_OBJ_PROCESS,
    CASTOR_OBJ_ADDRESS0,   ///< the word at the address in argument 0 (futex)
};

/// What replay does in place of the call.
enum : uint8_t {
    CASTOR_REPLAY_ELIDE = 0, ///< result and outputs come from the log
    CASTOR_REPLAY_EXECUTE,   ///< executed again; the result must be the recorded one
    CASTOR_REPLAY_OUTPUT,    ///< elided, but bytes for the standard output and error are shown
    CASTOR_REPLAY_MAP,       ///< executed at the recorded address (mmap, mremap, brk)
    CASTOR_REPLAY_THREAD,    ///< thread and process creation and end
    CASTOR_REPLAY_SIGNAL,    ///< signal dispositions, masks and stacks: executed, SIGSYS kept for the runtime
    CASTOR_REPLAY_KILL,      ///< signals sent: elided, unless it is what ended the program
    CASTOR_REPLAY_NEVER,     ///< answered with ENOSYS while recording, so never met on replay
};

/// What this call does to the descriptor table.
enum : uint8_t {
    CASTOR_FD_NONE = 0,
    CASTOR_FD_OPENS,         ///< the result is a new descriptor of a file, socket…
    CASTOR_FD_OPENS_IPC,     ///< the result is a new descriptor that connects threads (eventfd, epoll, timerfd…)
    CASTOR_FD_PAIR0,         ///< argument 0 points to two new connected descriptors (pipe)
    CASTOR_FD_PAIR3,         ///< argument 3 does (socketpair)
    CASTOR_FD_DUPS,          ///< the result names argument 0's description
    CASTOR_FD_CLOSES,        ///< argument 0 is closed
    CASTOR_FD_FCNTL,         ///< F_DUPFD and F_DUPFD_CLOEXEC dup
};

enum : uint8_t {
    CASTOR_SUPPORT_FULL = 0,
    CASTOR_SUPPORT_PARTIAL,     ///< recorded exactly within the limits that the note gives
    CASTOR_SUPPORT_ENOSYS,      ///< answered with ENOSYS so that the program takes its fallback
    CASTOR_SUPPORT_UNSUPPORTED, ///< executed, but not replayable: named at once and in the log
};

/// What a standby does about a call that it replays: see castor_standby.def.
enum : uint8_t {
    CASTOR_AGAIN_REFUSED = 0, CASTOR_AGAIN_NOTHING, CASTOR_AGAIN_SAME, CASTOR_AGAIN_TRIES, CASTOR_AGAIN_OPENS,
    CASTOR_AGAIN_PAIR, CASTOR_AGAIN_READS, CASTOR_AGAIN_WRITES, CASTOR_AGAIN_MOVES, CASTOR_AGAIN_ACCEPTS, CASTOR_AGAIN_RANGE,
    CASTOR_AGAIN_REAPS,
};

typedef struct castor_argument {
    uint8_t role;
    uint8_t aux;
    uint16_t size;
} castor_argument;

/// One row of the instruction plane: see castor_syscalls.def.
typedef struct castor_syscall_row {
    const char *_Nullable name;
    uint8_t order, object, replay, descriptors, support, count;
    /// Derived from the arguments, bit i for argument i: the call is compared by it; the log holds bytes for it; its length
    /// is kept before the call; it is a value that the short way mixes without a look at its role.
    uint8_t compared, stored, kept, values;
    uint8_t usual;             ///< takes the short way: see syscalls.c
    castor_argument args[6];
    const char *_Nullable note;
} castor_syscall_row;

/// Numbers at and above this one have no row and are refused aloud (Linux 6.18 ends before it).
#define CASTOR_SYSCALLS 512u

// MARK: - The table of the symbol plane

enum : uint16_t {
#define SYMBOL(number, name, note) CASTOR_SYM_##name = number,
#include "castor_symbols.def"
#undef SYMBOL
};
