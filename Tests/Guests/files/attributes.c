// Extended attributes, by path, link and descriptor. Tolerates a file system that has none.
#include "guest.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

struct arguments {
    uint64_t value;
    uint32_t size, flags;
};

int main(void) {
    const char *place = guest_enter();
    char text[64], list[256] = "";
    int file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && symlink("file", "link") == 0);
    int length = snprintf(text, sizeof text, "%d at %llu", getpid(), guest_now());
    if (setxattr("file", "user.first", text, (size_t)length, XATTR_CREATE) != 0) {
        printf("none in %s: errno %d\n", place, errno);
    } else {
        CHECK(fsetxattr(file, "user.second", "two", 3, 0) == 0);
        printf("there: %d errno %d\n", fsetxattr(file, "user.second", "2", 1, XATTR_CREATE), errno);
        memset(text, 0, sizeof text);
        printf("size %zd", getxattr("link", "user.first", NULL, 0));
        printf(" get %zd %s", getxattr("link", "user.first", text, sizeof text), text);
        printf(" too small %zd errno %d\n", fgetxattr(file, "user.first", text, 2), errno);
        printf("list %zd of %zd:", listxattr("file", list, sizeof list), flistxattr(file, NULL, 0));
        for (char *name = list; *name; name += strlen(name) + 1) printf(" %s", name);
        printf("\non the link: %zd %zd errno %d\n", llistxattr("link", list, sizeof list),
               lgetxattr("link", "user.first", text, sizeof text), errno);
        struct arguments get = {(uint64_t)(uintptr_t)text, sizeof text, 0};
        memset(text, 0, sizeof text);
        long got = syscall(464, AT_FDCWD, "file", 0, "user.second", &get, sizeof get);
        if (got >= 0) printf("getxattrat %ld %s\n", got, text);
        long listed = syscall(465, AT_FDCWD, "file", 0, list, sizeof list);
        if (listed >= 0) printf("listxattrat %ld %s\n", listed, list);
        CHECK(removexattr("file", "user.first") == 0 && fremovexattr(file, "user.second") == 0);
        printf("gone %zd errno %d\n", fgetxattr(file, "user.second", text, 1), errno);
    }
    CHECK(unlink("file") == 0 && unlink("link") == 0);
    guest_leave(place);
    return 0;
}
