// inotify: what happened to a directory and its files, in which order, told to several threads.
#include "guest.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static int queue;

static void take_events(void) {
    char bytes[1024] __attribute__((aligned(8)));
    ssize_t length = read(queue, bytes, sizeof bytes);
    CHECK(length > 0);
    for (ssize_t at = 0; at < length;) {
        struct inotify_event *event = (void *)(bytes + at);
        printf("watch %d mask %x cookie %u %s\n", event->wd, event->mask, event->cookie, event->len ? event->name : "");
        at += (ssize_t)sizeof *event + event->len;
    }
}

static void *touch_files(void *argument) {
    char name[32];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%d-%d", (int)(intptr_t)argument, i);
        int file = open(name, O_WRONLY | O_CREAT, 0600);
        CHECK(file >= 0 && write(file, "x", 1) == 1 && close(file) == 0 && unlink(name) == 0);
    }
    return NULL;
}

int main(void) {
    const char *place = guest_enter();
    queue = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    CHECK(queue >= 0);
    int watch = inotify_add_watch(queue, ".", IN_ALL_EVENTS);
    printf("%s watch %d\n", place, watch);
    CHECK(read(queue, &watch, 4) == -1 && errno == EAGAIN);
    guest_run_threads(2, touch_files);
    CHECK(mkdir("a", 0700) == 0 && rename("a", "b") == 0 && rmdir("b") == 0);
    int waiting = 0;
    CHECK(ioctl(queue, FIONREAD, &waiting) == 0);
    printf("%d bytes wait\n", waiting);
    take_events();
    CHECK(inotify_rm_watch(queue, 1) == 0);
    take_events();
    CHECK(inotify_rm_watch(queue, 1) == -1);
    guest_leave(place);
    return 0;
}
