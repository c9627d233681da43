/// Ordered calls on streams. A FILE's lock is real and recursive, so it is the lock that is taken: flockfile, the
/// event, the call.
#include <err.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <shadow.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <wchar.h>
#include "ordered.h"

FOUND(void, flockfile, (FILE *f), (f))
FOUND(int, ftrylockfile, (FILE *f), (f))
FOUND(void, funlockfile, (FILE *f), (f))

// MARK: - One stream

/// glibc's flag of a stream whose owner does the locking (__fsetlocking): its calls take no lock, so they have no order.
#define USER_LOCK 0x8000
#define NO_WRITES 0x0008
#define LINE_BUFFERED 0x0200

static void lock(FILE *f) {
    if (castor_replays()) {
        castor_turn turn;
        castor_symbol_acquire(&turn, CASTOR_SYM_stdio, (uint64_t)f);
        real_flockfile(f);
        castor_symbol_acquired(&turn);
        return;
    }
    castor_boundary_at(f);
    real_flockfile(f);
    castor_symbol_record(CASTOR_SYM_stdio, (uint64_t)f, 0, 0, 1);
}
castor_held castor_hold_file(FILE *f) {
    castor_held held = {0, 0};
    if (!f || f->_flags & USER_LOCK) return held;
    lock(f);
    held.file = f;
    return held;
}
void castor_release_file(FILE *f) { real_funlockfile(f); }

NAMED(void, flockfile, (FILE *f)) {
    if (ORDERLY(castor_is_ordered())) lock(f);
    else real_flockfile(f);
}
NAMED(int, ftrylockfile, (FILE *f)) {
#define TAKEN(r) ((r) == 0)
    ACQUIRE(CASTOR_SYM_stdio_try, f, real_ftrylockfile(f), real_flockfile(f), TAKEN);
}
NAMED(void, _IO_flockfile, (FILE *f)) { castor_flockfile(f); }
NAMED(int, _IO_ftrylockfile, (FILE *f)) { return castor_ftrylockfile(f); }

#define STDIO(type, name, parameters, arguments, stream) \
    ORDERED_CALL(type, name, parameters, arguments, HELD held = castor_hold_file(stream))
#define OPENS(...)
#define BY_HAND(...)
#include "streams.def"
#undef STDIO
#undef OPENS

#define VARIADIC(type, name, parameters, last, call)     \
    NAMED(type, name, parameters) {                      \
        va_list list;                                    \
        va_start(list, last);                            \
        type result = call;                              \
        va_end(list);                                    \
        return result;                                   \
    }
VARIADIC(int, printf, (const char *f, ...), f, castor_vprintf(f, list))
VARIADIC(int, _IO_printf, (const char *f, ...), f, castor_vprintf(f, list))
VARIADIC(int, fprintf, (FILE *s, const char *f, ...), f, castor_vfprintf(s, f, list))
VARIADIC(int, _IO_fprintf, (FILE *s, const char *f, ...), f, castor_vfprintf(s, f, list))
VARIADIC(int, __printf_chk, (int flag, const char *f, ...), f, castor___vprintf_chk(flag, f, list))
VARIADIC(int, __fprintf_chk, (FILE *s, int flag, const char *f, ...), f, castor___vfprintf_chk(s, flag, f, list))
VARIADIC(int, scanf, (const char *f, ...), f, castor_vscanf(f, list))
VARIADIC(int, fscanf, (FILE *s, const char *f, ...), f, castor_vfscanf(s, f, list))
VARIADIC(int, __isoc99_scanf, (const char *f, ...), f, castor___isoc99_vscanf(f, list))
VARIADIC(int, __isoc99_fscanf, (FILE *s, const char *f, ...), f, castor___isoc99_vfscanf(s, f, list))
VARIADIC(int, wprintf, (const wchar_t *f, ...), f, castor_vwprintf(f, list))
VARIADIC(int, fwprintf, (FILE *s, const wchar_t *f, ...), f, castor_vfwprintf(s, f, list))
VARIADIC(int, __wprintf_chk, (int flag, const wchar_t *f, ...), f, castor___vwprintf_chk(flag, f, list))
VARIADIC(int, __fwprintf_chk, (FILE *s, int flag, const wchar_t *f, ...), f, castor___vfwprintf_chk(s, flag, f, list))
VARIADIC(int, wscanf, (const wchar_t *f, ...), f, castor_vwscanf(f, list))
VARIADIC(int, fwscanf, (FILE *s, const wchar_t *f, ...), f, castor_vfwscanf(s, f, list))
VARIADIC(int, __isoc99_wscanf, (const wchar_t *f, ...), f, castor___isoc99_vwscanf(f, list))
VARIADIC(int, __isoc99_fwscanf, (FILE *s, const wchar_t *f, ...), f, castor___isoc99_vfwscanf(s, f, list))

#define VARIADIC_VOID(name, parameters, last, call)      \
    NAMED(void, name, parameters) {                      \
        va_list list;                                    \
        va_start(list, last);                            \
        call;                                            \
        va_end(list);                                    \
    }
VARIADIC_VOID(warn, (const char *f, ...), f, castor_vwarn(f, list))
VARIADIC_VOID(warnx, (const char *f, ...), f, castor_vwarnx(f, list))

// MARK: - error(), which has no variant for a list: its message is formatted first

FOUND(void, error, (int status, int number, const char *f, const char *message), (status, number, f, message))
FOUND(void, error_at_line, (int status, int number, const char *file, unsigned line, const char *f, const char *message),
      (status, number, file, line, f, message))
/// It empties stdout, then writes to stderr in pieces.
#define REPORTS(name, parameters, call)                     \
    NAMED(void, name, parameters) {                         \
        char *message = 0;                                  \
        va_list list;                                       \
        va_start(list, format);                             \
        if (vasprintf(&message, format, list) < 0) message = 0; \
        va_end(list);                                       \
        if (castor_is_ordered()) {                          \
            HELD out = castor_hold_file(stdout);            \
            HELD err = castor_hold_file(stderr);            \
            call;                                           \
        } else {                                            \
            call;                                           \
        }                                                   \
        free(message);                                      \
        if (status) exit(status);                           \
    }
REPORTS(error, (int status, int number, const char *format, ...), real_error(0, number, "%s", message ? message : format))
REPORTS(error_at_line, (int status, int number, const char *file, unsigned line, const char *format, ...),
        real_error_at_line(0, number, file, line, "%s", message ? message : format))

// MARK: - The streams there are

/// A bit of `_flags2` that glibc does not use: the program opened this stream and has not closed it.
#define MARK 0x100000
#define PIPE 0x200000 /* it came from popen */
extern FILE *_IO_list_all;
extern void _IO_list_lock(void), _IO_list_unlock(void);
extern int __overflow(FILE *, int);

static FILE *mark(FILE *f) {
    if (!f) return f;
    if (!castor_is_ordered()) {
        f->_flags2 |= MARK;
        return f;
    }
    HOLD(stdio_list);
    f->_flags2 |= MARK;
    return f;
}
static void unmark(FILE *f) {
    if (!castor_is_ordered()) return;
    HOLD(stdio_list);
    HELD held = castor_hold_file(f); /* whoever is in a call on it comes first */
    f->_flags2 &= ~MARK;
}
#define OPENS(type, name, parameters, arguments)                    \
    FOUND(type, name, parameters, arguments)                        \
    NAMED(type, name, parameters) { return mark(real_##name arguments); }
#define STDIO(...)
#include "streams.def"

FOUND(int, fflush, (FILE *f), (f))

/// Of a stream of popen: libc's list of children must not change while another popen copies it, but the wait for the
/// child takes as long as it takes. So libc closes it under the lock and finds no child, and the wait follows.
static int close_pipe(FILE *f, int (*real)(FILE *)) {
    int *pid = (int *)((char *)f + sizeof *f + sizeof(void *)); /* after the table of functions */
    int child = *pid, status = 0, unwritten;
    {
        HELD held = castor_hold_file(f);
        unwritten = f->_flags & NO_WRITES ? 0 : real_fflush(f);
    }
    {
        HOLD(stdio_list);
        *pid = INT_MAX;
        real(f);
    }
    pid_t waited;
    do waited = waitpid(child, &status, 0);
    while (waited < 0 && errno == EINTR);
    return waited < 0 ? -1 : status ? status : unwritten;
}

#define CLOSES(name)                                                                            \
    FOUND(int, name, (FILE *f), (f))                                                            \
    NAMED(int, name, (FILE *f)) {                                                               \
        unmark(f);                                                                              \
        if (castor_is_ordered() && f->_flags2 & PIPE) return close_pipe(f, real_##name);        \
        return real_##name(f);                                                                  \
    }
CLOSES(fclose)
CLOSES(_IO_fclose)
CLOSES(pclose)

#define REOPENS(name)                                                                               \
    FOUND(FILE *, name, (const char *p, const char *mode, FILE *f), (p, mode, f))                   \
    static FILE *name##_ordered(const char *p, const char *mode, FILE *f) {                         \
        HELD held = castor_hold_file(f);                                                            \
        return real_##name(p, mode, f);                                                             \
    }                                                                                               \
    NAMED(FILE *, name, (const char *p, const char *mode, FILE *f)) {                               \
        if (!castor_is_ordered()) return mark(real_##name(p, mode, f));                             \
        unmark(f);                                                                                  \
        return mark(name##_ordered(p, mode, f));                                                    \
    }
REOPENS(freopen)
REOPENS(freopen64)

static FILE *mark_pipe(FILE *f) {
    if (f) f->_flags2 |= PIPE;
    return mark(f);
}
#define POPEN(name)                                                                     \
    FOUND(FILE *, name, (const char *command, const char *mode), (command, mode))       \
    NAMED(FILE *, name, (const char *command, const char *mode)) {                      \
        if (!castor_is_ordered()) return mark_pipe(real_##name(command, mode));         \
        HOLD(stdio_list);                                                               \
        return mark_pipe(real_##name(command, mode));                                   \
    }
POPEN(popen)
POPEN(_IO_popen)

// MARK: - All streams

/// The start of glibc's struct _IO_wide_data.
struct wide_data {
    wchar_t *read_ptr, *read_end, *read_base, *write_base, *write_ptr;
};
static int has_pending(FILE *f) {
    if (f->_mode <= 0) return f->_IO_write_ptr > f->_IO_write_base;
    struct wide_data *wide = (struct wide_data *)f->_wide_data;
    return wide->write_ptr > wide->write_base;
}
static int is_ours(FILE *f) { return f->_flags2 & MARK && !(f->_flags & (NO_WRITES | USER_LOCK)); }

struct streams {
    FILE **all;
    size_t count;
};
static void forget(struct streams *s) {
    if (s->all) castor_own_free(s->all);
}
/// The marked streams that can be written to, in an order that does not depend on when libc linked them. Marks change
/// under stdio_list, which the caller holds; libc's own lock on its list is held only for the walk.
static struct streams marked(void) {
    struct streams s = {0, 0};
    _IO_list_lock();
    for (FILE *f = _IO_list_all; f; f = f->_chain) s.count += is_ours(f) != 0;
    _IO_list_unlock();
    if (s.count) s.all = castor_own_allocate(s.count * sizeof *s.all);
    if (!s.all) return (struct streams){0, 0};
    size_t n = 0;
    _IO_list_lock();
    for (FILE *f = _IO_list_all; f && n < s.count; f = f->_chain) {
        if (!is_ours(f)) continue;
        size_t i = n++;
        for (; i > 0 && s.all[i - 1] > f; i--) s.all[i] = s.all[i - 1];
        s.all[i] = f;
    }
    _IO_list_unlock();
    s.count = n;
    return s;
}
static int flush_one(FILE *f, int flags) {
    HELD held = castor_hold_file(f);
    if (flags && !(f->_flags & flags)) return 0;
    return has_pending(f) ? __overflow(f, EOF) : 0;
}
/// What fflush(NULL) does, stream by stream, each ordered by itself.
static int flush_marked(int flags) {
    HOLD(stdio_list);
    __attribute__((cleanup(forget))) struct streams s = marked();
    int result = 0;
    for (size_t i = 0; i < s.count; i++)
        if (flush_one(s.all[i], flags) == EOF) result = EOF;
    return result;
}

#define FLUSH(name)                                                         \
    NAMED(int, name, (FILE *f)) {                                           \
        if (!castor_is_ordered()) return real_##name(f);                    \
        if (!f) return flush_marked(0);                                     \
        HELD held = castor_hold_file(f);                                    \
        return real_##name(f);                                              \
    }
FOUND(int, _IO_fflush, (FILE *f), (f))
FLUSH(fflush)
FLUSH(_IO_fflush)

FOUND(int, _IO_flush_all, (void), ())
FOUND(void, _flushlbf, (void), ())
FOUND(int, fcloseall, (void), ())
NAMED(int, _IO_flush_all, (void)) { return castor_is_ordered() ? flush_marked(0) : real__IO_flush_all(); }
NAMED(void, _flushlbf, (void)) {
    if (castor_is_ordered()) flush_marked(LINE_BUFFERED);
    else real__flushlbf();
}
NAMED(void, _IO_flush_all_linebuffered, (void)) { castor__flushlbf(); }
NAMED(int, fcloseall, (void)) {
    if (!castor_is_ordered()) return real_fcloseall();
    int result = flush_marked(0);
    return real_fcloseall() == EOF ? EOF : result;
}

// MARK: - Fork and exit

/// A thread may be blocked in a call on a stream for good; fork and exit do not wait for that one.
static int lock_soon(FILE *f) {
    if (castor_replays()) {
        castor_turn turn;
        castor_symbol_acquire(&turn, CASTOR_SYM_stdio_try, (uint64_t)f);
        if (turn.result == 0) real_flockfile(f);
        castor_symbol_acquired(&turn);
        return turn.result == 0;
    }
    castor_boundary();
    static const struct timespec moment = {0, 100000};
    int result = real_ftrylockfile(f);
    for (int i = 0; i < 200 && result != 0; i++) {
        castor_gate_syscall(SYS_nanosleep, (uint64_t)&moment, 0, 0, 0, 0, 0);
        result = real_ftrylockfile(f);
    }
    castor_symbol_record(CASTOR_SYM_stdio_try, (uint64_t)f, result, 0, result == 0);
    return result == 0;
}
/// Takes stdio_list and every stream that can be had.
static struct streams lock_all(void) {
    castor_hold_group(CASTOR_SYM_stdio_list, &castor_groups[castor_group_stdio_list]);
    struct streams s = marked();
    size_t n = 0;
    for (size_t i = 0; i < s.count; i++)
        if (lock_soon(s.all[i])) s.all[n++] = s.all[i];
    s.count = n;
    return s;
}

static __thread struct streams held_streams __attribute__((tls_model("initial-exec")));
void castor_hold_streams(void) { held_streams = lock_all(); }
void castor_release_streams(int in_child) {
    struct { int lock, count; void *owner; } *own;
    for (size_t i = 0; i < held_streams.count; i++) {
        own = (void *)held_streams.all[i]->_lock;
        if (!in_child || own->count > 0) real_funlockfile(held_streams.all[i]);
    }
    forget(&held_streams);
    held_streams = (struct streams){0, 0};
}

/// libc empties all streams at exit without taking their locks, while other threads still write. So they are emptied
/// before, in order, and their locks are kept: nobody writes any more.
static void freeze(void *unused) {
    (void)unused;
    if (!castor_is_ordered()) return;
    struct streams s = lock_all();
    for (size_t i = 0; i < s.count; i++)
        if (has_pending(s.all[i])) __overflow(s.all[i], EOF);
}

extern int __cxa_atexit(void (*)(void *), void *, void *);
/// A handler registered before all others runs after all others.
__attribute__((constructor(103))) static void start(void) {
    stdin->_flags2 |= MARK;
    stdout->_flags2 |= MARK;
    stderr->_flags2 |= MARK;
    castor_proc.streams[0] = (uint64_t)stdout;
    castor_proc.streams[1] = (uint64_t)stderr;
    __cxa_atexit(freeze, 0, 0);
}
