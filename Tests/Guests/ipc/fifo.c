// A named pipe between a thread and its peer, which open it for each other.
#include "guest.h"

#include <fcntl.h>
#include <sys/stat.h>

static void *reader(void *unused) {
    (void)unused;
    static char text[256];
    int file = open("fifo", O_RDONLY);
    CHECK(file >= 0);
    size_t used = 0;
    ssize_t length;
    while ((length = read(file, text + used, sizeof text - 1 - used)) > 0) used += (size_t)length;
    close(file);
    return text;
}

int main(void) {
    const char *place = guest_enter();
    pthread_t thread;
    void *text;
    CHECK(mkfifo("fifo", 0600) == 0);
    printf("nobody reads: %d errno %d\n", open("fifo", O_WRONLY | O_NONBLOCK), errno);
    CHECK(pthread_create(&thread, NULL, reader, NULL) == 0);
    FILE *file = fopen("fifo", "w");
    CHECK(file);
    for (int i = 0; i < 5; i++) fprintf(file, "%d at %llu, ", i, guest_now());
    fclose(file);
    CHECK(pthread_join(thread, &text) == 0);
    printf("%s: %s\n", place, (char *)text);
    CHECK(unlink("fifo") == 0);
    guest_leave(place);
    return 0;
}
