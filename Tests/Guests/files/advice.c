// Hints about files, and what waits for the disk.
#include "guest.h"

#include <fcntl.h>
#include <sys/syscall.h>

int main(void) {
    const char *place = guest_enter();
    static char bytes[20000];
    int file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && write(file, bytes, sizeof bytes) == sizeof bytes);
    unsigned long long start = guest_now();
    CHECK(fdatasync(file) == 0 && fsync(file) == 0);
    printf("%s: on disk after %llu ns\n", place, guest_now() - start);
    printf("range %d ahead %zd", sync_file_range(file, 0, 4096, SYNC_FILE_RANGE_WRITE), readahead(file, 0, 8192));
    for (int advice = 0; advice < 7; advice++) printf(" %d", posix_fadvise(file, 0, 0, advice));
    struct { uint64_t offset, length; } range = {0, sizeof bytes};
    struct { uint64_t cached, dirty, writeback, evicted, recently; } pages = {0};
    if (syscall(451, file, &range, &pages, 0) == 0)
        printf("\ncached %llu dirty %llu", (unsigned long long)pages.cached, (unsigned long long)pages.dirty);
    unsigned char attributes[24] = "";
    if (syscall(468, AT_FDCWD, "file", attributes, sizeof attributes, 0) == 0)
        printf(" attributes %02x%02x", attributes[0], attributes[1]);
    printf("\nsyncfs %d\n", syncfs(file));
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
