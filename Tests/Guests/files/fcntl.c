// fcntl by command.
#include "guest.h"

#include <fcntl.h>
#include <signal.h>

int main(void) {
    const char *place = guest_enter();
    int pipes[2];
    struct f_owner_ex owner = {0};
    int file = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(file >= 0 && pipe2(pipes, O_NONBLOCK) == 0);
    printf("%s flags %x descriptor %x\n", place, fcntl(file, F_GETFL), fcntl(file, F_GETFD));
    CHECK(fcntl(file, F_SETFL, O_APPEND | O_NONBLOCK) == 0 && fcntl(file, F_SETFD, 0) == 0);
    printf("flags %x descriptor %x\n", fcntl(file, F_GETFL), fcntl(file, F_GETFD));
    int high = fcntl(file, F_DUPFD_CLOEXEC, 100);
    printf("duplicate %d with %x, %d\n", high, fcntl(high, F_GETFD), fcntl(file, F_DUPFD, 0));
    printf("pipe of %d bytes", fcntl(pipes[0], F_GETPIPE_SZ));
    printf(" now %d", fcntl(pipes[0], F_SETPIPE_SZ, 8192));
    printf(" %d\n", fcntl(pipes[1], F_GETPIPE_SZ));
    char bytes[10000] = "";
    printf("takes %zd\n", write(pipes[1], bytes, sizeof bytes));
    CHECK(fcntl(pipes[0], F_SETOWN, getpid()) == 0 && fcntl(pipes[0], F_GETOWN_EX, &owner) == 0);
    printf("owner %d %d type %d\n", fcntl(pipes[0], F_GETOWN), owner.pid, owner.type);
    owner = (struct f_owner_ex){F_OWNER_TID, gettid()};
    CHECK(fcntl(pipes[0], F_SETOWN_EX, &owner) == 0 && fcntl(pipes[0], F_SETSIG, SIGUSR1) == 0);
    printf("owner %d signal %d\n", fcntl(pipes[0], F_GETOWN), fcntl(pipes[0], F_GETSIG));
    printf("seals %d errno %d\n", fcntl(file, F_GET_SEALS), errno);
    uint64_t hint = 2;
    if (fcntl(file, F_SET_RW_HINT, &hint) == 0) {
        hint = 99;
        CHECK(fcntl(file, F_GET_RW_HINT, &hint) == 0);
        printf("hint %llu\n", (unsigned long long)hint);
    }
    printf("lease %d errno %d", fcntl(file, F_SETLEASE, F_WRLCK), errno);
    printf(" got %d\n", fcntl(file, F_GETLEASE));
    CHECK(fcntl(file, F_SETLEASE, F_UNLCK) == 0 || errno);
    int same = fcntl(file, 1027, high); // F_DUPFD_QUERY
    printf("same file %d unknown %d errno %d at %llu\n", same, fcntl(file, 9999), errno, guest_now());
    CHECK(unlink("file") == 0);
    guest_leave(place);
    return 0;
}
