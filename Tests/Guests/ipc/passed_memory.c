// A memfd passed to a child that maps it, as clients of a display do with their pictures.
#include "guest.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void pass(int socket, int *file, bool send) {
    char byte = 'x', control[CMSG_SPACE(sizeof(int))] = "";
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (send) {
        *head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(head), file, sizeof(int));
        CHECK(sendmsg(socket, &message, 0) == 1);
    } else {
        CHECK(recvmsg(socket, &message, 0) == 1);
        memcpy(file, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    }
}

int main(void) {
    enum { SIZE = 64 * 1024 };
    int pair[2], status, file;
    char byte;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    pid_t child = fork();
    if (child == 0) {
        pass(pair[1], &file, false);
        char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        CHECK(map != MAP_FAILED && lseek(file, 0, SEEK_END) == SIZE);
        for (int round = 0; round < 3; round++) {
            CHECK(read(pair[1], &byte, 1) == 1);
            snprintf(map + 4096 * round + 100, 64, "child %d answers '%s' at %llu", getpid(), map + 4096 * round,
                     guest_now());
            CHECK(write(pair[1], &byte, 1) == 1);
        }
        _exit(0);
    }
    file = memfd_create("picture", MFD_ALLOW_SEALING);
    CHECK(file >= 0 && ftruncate(file, SIZE) == 0 && fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(map != MAP_FAILED);
    strcpy(map + 8192, "before it was passed");
    pass(pair[0], &file, true);
    close(file);
    for (int round = 0; round < 3; round++) {
        if (round < 2) snprintf(map + 4096 * round, 64, "question %d of %d", round, getpid());
        CHECK(write(pair[0], "x", 1) == 1 && read(pair[0], &byte, 1) == 1);
        printf("%s\n", map + 4096 * round + 100);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return 0;
}
