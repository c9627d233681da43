// Threads read and append through one open file: who gets which part is in the log.
#include "guest.h"

#include <fcntl.h>

static int source, log_file;
static char taken[4][4096];

static void *body(void *argument) {
    int thread = (int)(intptr_t)argument;
    char part[8], line[32];
    size_t used = 0;
    while (read(source, part, sizeof part) == sizeof part) {
        memcpy(taken[thread] + used, part, 4);
        used += 4;
        int length = snprintf(line, sizeof line, "%d:%.4s ", thread, part);
        CHECK(write(log_file, line, (size_t)length) == length);
        sched_yield();
    }
    return NULL;
}

int main(void) {
    const char *place = guest_enter();
    static char text[16384];
    source = open("source", O_RDWR | O_CREAT, 0600);
    log_file = open("log", O_RDWR | O_CREAT | O_APPEND, 0600);
    CHECK(source >= 0 && log_file >= 0);
    for (int i = 0; i < 400; i++) CHECK(dprintf(source, "%04d....", i) == 8);
    CHECK(lseek(source, 0, SEEK_SET) == 0);
    guest_run_threads(4, body);
    for (int i = 0; i < 4; i++) printf("%d took %s\n", i, taken[i]);
    CHECK(pread(log_file, text, sizeof text - 1, 0) > 0);
    printf("%s\n%s at %llu\n", text, place, guest_now());
    CHECK(unlink("source") == 0 && unlink("log") == 0);
    guest_leave(place);
    return 0;
}
