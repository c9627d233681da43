/* castor.h: what a program says and checks beside its recording.
 *
 * Add these to a program whose recording is at hand, build it anew, and replay the recording with it:
 *
 *     cc -g -o server-new server.c -I PREFIX/include -L PREFIX/lib/castor -lcastor -Wl,-rpath,PREFIX/lib/castor
 *     castor replay --exe ./server-new
 *
 * Neither is an event: nothing is recorded of them and nothing compared, so they may be added, changed and left out. */
#ifndef CASTOR_H
#define CASTOR_H

#ifdef __cplusplus
extern "C" {
#endif

/* As fprintf(stderr, ...), unbuffered. Under castor it goes past the log, straight to the terminal. Returns the number
 * of bytes, or -1. Texts are whole: those of several threads do not mix. */
int castor_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As assert(), whether or not NDEBUG is defined. Where a replay with --exe comes to a condition that does not hold, it ends
 * there, in a debugger at this place. */
#define castor_assert(condition) \
    ((condition) ? (void)0 : castor_assert_failed(#condition, __FILE__, __LINE__, __func__))

void castor_assert_failed(const char *condition, const char *file, int line, const char *function)
    __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
#endif
