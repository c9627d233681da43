/// Ordered calls on state that all threads of a process share.
#include <aliases.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <iconv.h>
#include <link.h>
#include <locale.h>
#include <mntent.h>
#include <netdb.h>
#include <pwd.h>
#include <semaphore.h>
#include <shadow.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>
#include <utmp.h>
#include <utmpx.h>
#include <wchar.h>
#include "ordered.h"

void *castor_find(const char *name) {
    /* the newest version, for RTLD_NEXT never answers with a hidden one */
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) __builtin_trap();
    return found;
}

extern const castor_real __start_castor_reals[] CASTOR_HIDDEN, __stop_castor_reals[] CASTOR_HIDDEN;
static void find_all(void) {
    for (const castor_real *r = __start_castor_reals; r < __stop_castor_reals; r++) {
        void *found = r->version[0] ? dlvsym(RTLD_NEXT, r->name, r->version) : dlsym(RTLD_NEXT, r->name);
        if (found) *r->slot = found;
    }
}

// MARK: - Groups

FOUND(int, pthread_mutex_lock, (pthread_mutex_t *m), (m))
FOUND(int, pthread_mutex_unlock, (pthread_mutex_t *m), (m))

#define GROUP(name) [castor_group_##name] = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
#define GROUP_LOCKS {CASTOR_GROUPS(GROUP)}
pthread_mutex_t castor_groups[castor_group_count] = GROUP_LOCKS;

castor_held castor_hold_group(uint16_t id, pthread_mutex_t *mutex) {
    if (castor_replays()) {
        castor_turn turn;
        castor_symbol_acquire(&turn, id, (uint64_t)mutex);
        real_pthread_mutex_lock(mutex);
        castor_symbol_acquired(&turn);
    } else {
        castor_boundary_at(mutex);
        real_pthread_mutex_lock(mutex);
        castor_symbol_record(id, (uint64_t)mutex, 0, 0, 1);
    }
    return (castor_held){0, mutex};
}
void castor_release(castor_held *held) {
    if (held->file) castor_release_file(held->file);
    if (held->mutex) real_pthread_mutex_unlock(held->mutex);
}

/// What is locked must be what is ordered: two directories that share a lock are ordered together.
#define DIRECTORIES 16
#define RECURSIVE PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP
#define FOUR RECURSIVE, RECURSIVE, RECURSIVE, RECURSIVE
static pthread_mutex_t directories[DIRECTORIES] = {FOUR, FOUR, FOUR, FOUR};
static castor_held hold_directory(const void *d) {
    return castor_hold_group(CASTOR_SYM_directory, &directories[(uint64_t)d * 0x9e3779b97f4a7c15ull >> 60]);
}

// MARK: - Fork

/// What a child is likely to look at before it calls exec. The groups of calls that may wait for long are not held.
#define FORKED(GROUP) GROUP(random) GROUP(time_zone) GROUP(locale) GROUP(environment) GROUP(atexit)
static __thread int holds_for_fork __attribute__((tls_model("initial-exec")));

static void before_fork(void) {
    holds_for_fork = castor_is_ordered();
    if (!holds_for_fork) return;
    castor_hold_streams();
#define TAKE(name) castor_hold_group(CASTOR_SYM_##name, &castor_groups[castor_group_##name]);
    FORKED(TAKE)
}
static void in_parent(void) {
    if (!holds_for_fork) return;
#define GIVE(name) real_pthread_mutex_unlock(&castor_groups[castor_group_##name]);
    FORKED(GIVE)
    castor_release_streams(0);
    GIVE(stdio_list)
}
/// One thread is left: what the others held is free.
static void in_child(void) {
    static const pthread_mutex_t fresh[castor_group_count] = GROUP_LOCKS;
    __builtin_memcpy(castor_groups, fresh, sizeof fresh);
    for (unsigned i = 0; i < DIRECTORIES; i++) directories[i] = fresh[0];
    if (holds_for_fork) castor_release_streams(1);
}

/// After the runtime's own start, before anyone else's.
__attribute__((constructor(103))) static void start(void) {
    if (castor_self.ring) find_all();
    pthread_atfork(before_fork, in_parent, in_child);
}
#undef GROUP

#define GROUP_CALL(type, name, parameters, arguments, group) ORDERED_CALL(type, name, parameters, arguments, HOLD(group))
#define DIRECTORY(type, name, parameters, arguments) \
    ORDERED_CALL(type, name, parameters, arguments, HELD held = hold_directory(d))
#define BY_HAND(...)
#define LEFT_ALONE(...)
#include "ordered.def"

// MARK: - The environment

/// Libc reads it by itself for the time zone and the locale.
#define CHANGES_ENVIRONMENT HOLD(time_zone); HOLD(locale); HOLD(environment)
ORDERED_CALL(int, setenv, (const char *n, const char *v, int o), (n, v, o), CHANGES_ENVIRONMENT)
ORDERED_CALL(int, putenv, (char *s), (s), CHANGES_ENVIRONMENT)
ORDERED_CALL(int, unsetenv, (const char *n), (n), CHANGES_ENVIRONMENT)
ORDERED_CALL(int, clearenv, (void), (), CHANGES_ENVIRONMENT)

// MARK: - The locale

/// A locale's converters are loaded when a thread first converts, under a lock that no call shows.
static void load_converters(void) {
    mbstate_t state = {0};
    wchar_t c;
    mbrtowc(&c, "a", 1, &state);
}
static int is_attached(void) { return castor_self.ring && castor_mode_now() != CASTOR_MODE_OFF; }

static char *set_locale(char *(*real)(int, const char *), int category, const char *name) {
    char *result = real(category, name);
    if (result && name && is_attached()) load_converters();
    return result;
}
static locale_t new_locale(locale_t (*real)(int, const char *, locale_t), int mask, const char *name, locale_t base) {
    locale_t result = real(mask, name, base);
    if (!result || !is_attached()) return result;
    locale_t before = uselocale(result);
    load_converters();
    uselocale(before);
    return result;
}
FOUND(char *, setlocale, (int c, const char *s), (c, s))
FOUND(locale_t, newlocale, (int m, const char *s, locale_t b), (m, s, b))
static char *set_locale_ordered(int c, const char *s) {
    HOLD(locale);
    return set_locale(real_setlocale, c, s);
}
static locale_t new_locale_ordered(int m, const char *s, locale_t b) {
    HOLD(locale);
    return new_locale(real_newlocale, m, s, b);
}
NAMED(char *, setlocale, (int c, const char *s)) {
    return castor_is_ordered() ? set_locale_ordered(c, s) : set_locale(real_setlocale, c, s);
}
NAMED(locale_t, newlocale, (int m, const char *s, locale_t b)) {
    return castor_is_ordered() ? new_locale_ordered(m, s, b) : new_locale(real_newlocale, m, s, b);
}

// MARK: - Messages

ORDERED_CALL(int, fmtmsg, (long c, const char *l, int s, const char *t, const char *a, const char *g), (c, l, s, t, a, g),
             HOLD(static_result); HELD held = castor_hold_file(stderr))

// MARK: - Variadic ones

NAMED(void, syslog, (int p, const char *f, ...)) {
    va_list list;
    va_start(list, f);
    castor_vsyslog(p, f, list);
    va_end(list);
}
NAMED(void, __syslog_chk, (int p, int k, const char *f, ...)) {
    va_list list;
    va_start(list, f);
    castor___vsyslog_chk(p, k, f, list);
    va_end(list);
}
FOUND(sem_t *, sem_open, (const char *s, int o, mode_t m, unsigned v), (s, o, m, v))
static sem_t *sem_open_ordered(const char *s, int o, mode_t m, unsigned v) {
    HOLD(named_semaphore);
    return real_sem_open(s, o, m, v);
}
NAMED(sem_t *, sem_open, (const char *s, int o, ...)) {
    mode_t m = 0;
    unsigned v = 0;
    if (o & O_CREAT) {
        va_list list;
        va_start(list, o);
        m = va_arg(list, mode_t);
        v = va_arg(list, unsigned);
        va_end(list);
    }
    return castor_is_ordered() ? sem_open_ordered(s, o, m, v) : real_sem_open(s, o, m, v);
}
