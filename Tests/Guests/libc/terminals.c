// openpty, ptsname, ttyname and getlogin, utmp and backtraces.
// link: -lutil
#include "../small.h"

#include <execinfo.h>
#include <pty.h>
#include <utmpx.h>

// ttyname's result lies in memory that all threads share.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *body(void *argument) {
    int master, slave;
    char name[64], other[64];
    if (openpty(&master, &slave, NULL, NULL, NULL) == 0) {
        pthread_mutex_lock(&lock);
        const char *shared = ttyname(slave);
        snprintf(other, sizeof other, "%s", shared ? shared : "?");
        pthread_mutex_unlock(&lock);
        printf("%d: %s %s\n", (int)(intptr_t)argument, ptsname_r(master, name, sizeof name) == 0 ? name : "?", other);
        close(master), close(slave);
    }
    void *frames[16];
    int count = backtrace(frames, 16);
    char **names = backtrace_symbols(frames, count);
    printf("%d: %d frames, %s\n", (int)(intptr_t)argument, count, names ? names[0] : "?");
    free(names);
    const char *login = getlogin();
    printf("%d: %s\n", (int)(intptr_t)argument, login ? login : strerror(errno));
    setutxent();
    printf("%d: %d\n", (int)(intptr_t)argument, getutxent() != NULL);
    endutxent();
    return NULL;
}

int main(void) { guest_run_threads(3, body); }
