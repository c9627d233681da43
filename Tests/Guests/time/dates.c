// Dates as the C library makes them of the clock and of the time zone's files.
#include "guest.h"

#include <sys/stat.h>
#include <utime.h>

int main(void) {
    time_t now = time(NULL);
    char text[128];
    struct tm parts;
    static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York", "XYZ-3:30"};
    for (int i = 0; i < 4; i++) {
        setenv("TZ", zones[i], 1);
        tzset();
        CHECK(localtime_r(&now, &parts) && strftime(text, sizeof text, "%c %Z %z %j", &parts));
        printf("%s: %s, %ld back\n", zones[i], text, (long)(mktime(&parts) - now));
    }
    CHECK(ctime_r(&now, text));
    printf("%s", text);
    struct timespec precise;
    CHECK(timespec_get(&precise, TIME_UTC) == TIME_UTC);
    printf("%ld clock %ld\n", precise.tv_nsec, (long)clock());
    return 0;
}
