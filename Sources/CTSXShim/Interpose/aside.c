/// castor.h: what a program says and checks beside its recording. No event, in recording and in replay, so that a build
/// that has it replays the log of one that has not.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "wrappers.h"

/// In one piece. Longer texts are formatted twice.
static int say(const char *format, va_list list) {
    char text[4096], *whole = text;
    va_list again;
    va_copy(again, list);
    int kept = errno, length = vsnprintf(text, sizeof text, format, list);
    if (length >= (int)sizeof text && vasprintf(&whole, format, again) < 0) whole = text, length = sizeof text - 1;
    va_end(again);
    if (length > 0) castor_say_aside(whole, (uint64_t)length);
    if (whole != text) free(whole);
    errno = kept;
    return length;
}
EXPORT int castor_printf(const char *format, ...) {
    va_list list;
    va_start(list, format);
    int length = say(format, list);
    va_end(list);
    return length;
}
/// The abort of a recorded program is recorded, and comes again in a replay of the same build.
EXPORT void castor_assert_failed(const char *condition, const char *file, int line, const char *function) {
    castor_printf("%s:%d: %s: castor_assert(%s) failed\n", file, line, function, condition);
    castor_assertion_failed();
    abort();
}
