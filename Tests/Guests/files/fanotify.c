// fanotify, where it may be had.
#include "guest.h"

#include <fcntl.h>
#include <sys/fanotify.h>

int main(void) {
    const char *place = guest_enter();
    int queue = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
    printf("%s: %d errno %d\n", place, queue >= 0, queue < 0 ? errno : 0);
    if (queue >= 0) {
        int file = open("file", O_RDWR | O_CREAT, 0600);
        int marked = fanotify_mark(queue, FAN_MARK_ADD, FAN_OPEN | FAN_MODIFY, AT_FDCWD, "file");
        printf("marked %d errno %d\n", marked, marked ? errno : 0);
        CHECK(write(file, "x", 1) == 1);
        struct fanotify_event_metadata event[4];
        ssize_t length = read(queue, event, sizeof event);
        for (int i = 0; i * (ssize_t)sizeof *event < length; i++) {
            char path[64], name[128] = "";
            snprintf(path, sizeof path, "/proc/self/fd/%d", event[i].fd);
            CHECK(readlink(path, name, sizeof name - 1) > 0);
            printf("mask %llx by %d of %s\n", (unsigned long long)event[i].mask, event[i].pid, name);
            close(event[i].fd);
        }
        CHECK(unlink("file") == 0);
    }
    guest_leave(place);
    return 0;
}
