// Files named by handle instead of by path.
#include "guest.h"

#include <fcntl.h>

int main(void) {
    const char *place = guest_enter();
    char text[64] = "";
    struct { struct file_handle head; unsigned char bytes[MAX_HANDLE_SZ]; } handle = {.head.handle_bytes = 0};
    int mount;
    int file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && dprintf(file, "%s", place) > 0);
    printf("asked: %d errno %d", name_to_handle_at(AT_FDCWD, "file", &handle.head, &mount, 0), errno);
    printf(" %u bytes\n", handle.head.handle_bytes);
    handle.head.handle_bytes = MAX_HANDLE_SZ;
    int named = name_to_handle_at(file, "", &handle.head, &mount, AT_EMPTY_PATH);
    if (named == 0) {
        uint64_t hash = guest_hash_bytes(GUEST_HASH_START, handle.head.f_handle, handle.head.handle_bytes);
        printf("type %d mount %d %016llx\n", handle.head.handle_type, mount, (unsigned long long)hash);
        int again = open_by_handle_at(file, &handle.head, O_RDONLY);
        printf("opened %d errno %d\n", again >= 0, again < 0 ? errno : 0);
        if (again >= 0) CHECK(read(again, text, sizeof text - 1) > 0);
        printf("%s\n", text);
    } else {
        printf("none in %s: errno %d\n", place, errno);
    }
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
