// Descriptors passed between processes: a file, a pipe, a socket, in one message and in several.
#include "guest.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void give(int socket, const char *text, const int *files, int count) {
    char control[256] = "";
    struct iovec part = {(void *)text, strlen(text)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){CMSG_LEN(sizeof(int) * (size_t)count), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(head), files, sizeof(int) * (size_t)count);
    CHECK(sendmsg(socket, &message, 0) == (ssize_t)strlen(text));
}

static int take(int socket, int *files, int flags) {
    char text[64] = "", control[256];
    struct iovec part = {text, sizeof text};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t length = recvmsg(socket, &message, flags);
    CHECK(length > 0);
    int count = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_type != SCM_RIGHTS) continue;
        count = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(files, CMSG_DATA(head), sizeof(int) * (size_t)count);
    }
    printf("%d got '%s' and %d descriptors, flags %x\n", getpid(), text, count, message.msg_flags);
    return count;
}

int main(void) {
    const char *place = guest_enter();
    int pair[2], other[2], status, files[8];
    char text[64] = "";
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(pair[0]);
        CHECK(take(pair[1], files, MSG_CMSG_CLOEXEC) == 1);
        CHECK(pread(files[0], text, sizeof text - 1, 0) > 0);
        printf("file says %s, closes on exec %d\n", text, fcntl(files[0], F_GETFD));
        CHECK(take(pair[1], files, 0) == 2);
        int length = snprintf(text, sizeof text, "from %d at %llu", getpid(), guest_now());
        CHECK(write(files[1], text, (size_t)length) == length);
        CHECK(take(pair[1], files, 0) == 1);
        CHECK(dprintf(files[0], "on the passed standard output, by %d\n", getpid()) > 0);
        fflush(stdout);
        _exit(0);
    }
    close(pair[1]);
    int file = open("file", O_RDWR | O_CREAT, 0600);
    CHECK(file >= 0 && dprintf(file, "%llu", guest_now()) > 0 && pipe(other) == 0);
    give(pair[0], "one", &file, 1);
    usleep(2000);
    give(pair[0], "two", other, 2);
    CHECK(read(other[0], text, sizeof text - 1) > 0);
    printf("through the pipe %s\n", text);
    usleep(2000);
    int output = dup(STDOUT_FILENO);
    give(pair[0], "output", &output, 1);
    fflush(stdout);
    CHECK(waitpid(child, &status, 0) == child && status == 0 && unlink("file") == 0);
    guest_leave(place);
    return 0;
}
