// The time zone changed by one thread while others convert times; and the environment beside it.
#include "../small.h"

static void *body(void *argument) {
    static const char *const zones[] = {"UTC", "CET-1CEST", "America/New_York", "Asia/Tokyo"};
    char text[64], name[32];
    snprintf(name, sizeof name, "GUEST_%d", (int)(intptr_t)argument);
    for (int i = 0; i < 20; i++) {
        if (argument == NULL) setenv("TZ", zones[i % 4], 1), tzset();
        time_t now = time(NULL);
        struct tm local;
        localtime_r(&now, &local);
        strftime(text, sizeof text, "%F %T %Z", &local);
        setenv(name, text, 1);
        struct tm *shared = localtime(&now);
        char *kept = getenv("GUEST_1");
        printf("%d: %s %lld %d %s\n", (int)(intptr_t)argument, text, (long long)mktime(&local), shared != NULL,
               kept ? "set" : "unset");
    }
    unsetenv(name);
    return NULL;
}

int main(void) { guest_run_threads(4, body); }
