// Which pages are in memory, and those that must be.
#include "guest.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(void) {
    const char *place = guest_enter();
    unsigned char pages[16];
    char *map = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED && mincore(map, 16 * 4096, pages) == 0);
    for (int i = 0; i < 16; i++) printf("%d", pages[i] & 1);
    for (int i = 0; i < 16; i += 3) map[i * 4096] = 1;
    CHECK(mincore(map, 15 * 4096 + 1, pages) == 0);
    printf(" then ");
    for (int i = 0; i < 16; i++) printf("%d", pages[i] & 1);
    printf("\n%s at %p: ", place, (void *)map);
    int locked = mlock(map, 8192);
    int unlocked = munlock(map, 4096);
    printf("mlock %d munlock %d mlock2 %d\n", locked, unlocked, mlock2(map, 4096, MLOCK_ONFAULT));
    int file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && ftruncate(file, 16 * 4096) == 0);
    char *data = mmap(NULL, 16 * 4096, PROT_READ, MAP_SHARED, file, 0);
    CHECK(data != MAP_FAILED && mincore(data, 16 * 4096, pages) == 0);
    for (int i = 0; i < 16; i++) printf("%d", pages[i] & 1);
    printf("\nnot mapped %d errno %d\n", mincore((void *)0x1000, 4096, pages), errno);
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
