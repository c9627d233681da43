// Randomness from wherever a program gets it.
#include "guest.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/random.h>

static void tell(const char *name, const void *bytes, size_t length) {
    printf("%s %016llx\n", name, (unsigned long long)guest_hash_bytes(GUEST_HASH_START, bytes, length));
}

int main(void) {
    static unsigned char bytes[70000];
    CHECK(getrandom(bytes, 16, 0) == 16);
    tell("getrandom", bytes, 16);
    CHECK(getrandom(bytes, 5, GRND_NONBLOCK) == 5);
    tell("not blocking", bytes, 5);
    CHECK(getrandom(bytes, 32, GRND_RANDOM) > 0);
    tell("random", bytes, 32);
    CHECK(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
    tell("many", bytes, sizeof bytes);
    CHECK(getrandom(bytes, 0, 0) == 0);
    CHECK(getrandom(bytes, 1, 0x100) == -1 && errno == EINVAL);
    CHECK(getentropy(bytes, 256) == 0);
    tell("entropy", bytes, 256);
    int file = open("/dev/urandom", O_RDONLY);
    CHECK(file >= 0 && read(file, bytes, 100) == 100);
    tell("device", bytes, 100);
    close(file);
    tell("auxiliary vector", (void *)getauxval(AT_RANDOM), 16);
    printf("pid %d\n", getpid());
    return 0;
}
