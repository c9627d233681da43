// strerror, strsignal, perror, psignal, gettext, syslog and fmtmsg from several threads.
#include "../small.h"

#include <fmtmsg.h>
#include <libintl.h>
#include <syslog.h>

static void *body(void *argument) {
    char room[64];
    for (int i = 1; i < 12; i++) {
        printf("%d: %s, %s, %s, %s\n", (int)(intptr_t)argument, strerror(i * 13), strsignal(i),
               strerror_r(1000 + i, room, sizeof room), gettext("text"));
        errno = i;
        perror("perror");
        psignal(i, "psignal");
    }
    syslog(LOG_DEBUG, "guest %d", (int)(intptr_t)argument);
    fmtmsg(MM_PRINT, "guest:castor", MM_INFO, "text", "nothing", "guest:1");
    return NULL;
}

int main(void) {
    textdomain("guest");
    openlog("guest", LOG_PID | LOG_NDELAY, LOG_USER);
    guest_run_threads(4, body);
    closelog();
}
