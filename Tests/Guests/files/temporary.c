// Files without a name, and one that gets one later.
#include "guest.h"

#include <fcntl.h>
#include <sys/stat.h>

int main(void) {
    const char *place = guest_enter();
    char text[64], path[64];
    struct stat status;
    int file = open(".", O_TMPFILE | O_RDWR, 0600);
    if (file < 0) {
        printf("none in %s: errno %d\n", place, errno);
    } else {
        CHECK(dprintf(file, "%d at %llu", getpid(), guest_now()) > 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        CHECK(fstat(file, &status) == 0);
        printf("links %lu inode %llu\n", (unsigned long)status.st_nlink, (unsigned long long)status.st_ino);
        CHECK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
        int again = open("named", O_RDONLY);
        memset(text, 0, sizeof text);
        CHECK(read(again, text, sizeof text - 1) > 0);
        printf("%s\n", text);
        CHECK(unlink("named") == 0);
    }
    FILE *stream = tmpfile();
    CHECK(stream && fprintf(stream, "%s %d", place, getpid()) > 0);
    rewind(stream);
    CHECK(fgets(text, sizeof text, stream));
    printf("%s\n", text);
    fclose(stream);
    strcpy(path, "name-XXXXXX");
    file = mkstemp(path);
    CHECK(file >= 0);
    printf("%s\n", path);
    CHECK(unlink(path) == 0);
    guest_leave(place);
    return 0;
}
