// The devices that every system has.
#include "guest.h"

#include <fcntl.h>
#include <sys/mman.h>

int main(void) {
    unsigned char bytes[4096];
    int zero = open("/dev/zero", O_RDWR), null = open("/dev/null", O_RDWR), full = open("/dev/full", O_RDWR);
    int random = open("/dev/urandom", O_RDONLY);
    CHECK(zero >= 0 && null >= 0 && full >= 0 && random >= 0);
    memset(bytes, 1, sizeof bytes);
    CHECK(read(zero, bytes, sizeof bytes) == sizeof bytes && bytes[4095] == 0);
    CHECK(read(null, bytes, 5) == 0 && write(null, bytes, 5) == 5);
    printf("full %zd errno %d\n", write(full, bytes, 5), errno);
    CHECK(read(random, bytes, sizeof bytes) == sizeof bytes);
    printf("random %016llx\n", (unsigned long long)guest_hash_bytes(GUEST_HASH_START, bytes, sizeof bytes));
    unsigned char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
    CHECK(map != MAP_FAILED && map[5000] == 0);
    map[5000] = bytes[0];
    printf("at %p %d\n", (void *)map, map[5000]);
    unsigned char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
    CHECK(shared != MAP_FAILED);
    shared[1] = bytes[1];
    printf("at %p %d\n", (void *)shared, shared[1]);
    int terminal = open("/dev/tty", O_RDWR);
    printf("terminal %d pid %d\n", terminal >= 0, getpid());
    return 0;
}
