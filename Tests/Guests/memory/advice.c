// madvise: advice that changes nothing and advice that empties pages.
#include "guest.h"

#include <sys/mman.h>

int main(void) {
    enum { SIZE = 1 << 16 };
    char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    memset(map, 'x', SIZE);
    static const int kinds[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTFORK, MADV_DOFORK,
                                MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_MERGEABLE,
                                MADV_UNMERGEABLE, MADV_COLD, MADV_PAGEOUT, 22, 23};
    for (int i = 0; i < (int)(sizeof kinds / sizeof *kinds); i++) {
        int result = madvise(map, SIZE, kinds[i]);
        printf("%d: %d errno %d\n", kinds[i], result, result ? errno : 0);
    }
    CHECK(madvise(map + 4096, 8192, MADV_DONTNEED) == 0);
    printf("%p: %d %d %d\n", (void *)map, map[0], map[4096], map[12288]);
    printf("bad %d errno %d, pid %d\n", madvise(map + 1, 4096, MADV_NORMAL), errno, getpid());
    printf("posix %d\n", posix_madvise(map, SIZE, POSIX_MADV_WILLNEED));
    CHECK(madvise(map, SIZE, MADV_WIPEONFORK) == 0);
    return 0;
}
