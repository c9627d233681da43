// Who sent a message: credentials beside it, and of the peer of a connection.
#include "guest.h"

#include <sys/socket.h>
#include <sys/wait.h>

int main(void) {
    int pair[2], on = 1, status;
    char text[64] = "", control[128];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    CHECK(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    CHECK(setsockopt(pair[0], SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0);
    pid_t child = fork();
    if (child == 0) {
        int length = snprintf(text, sizeof text, "from %d", getpid());
        CHECK(send(pair[1], text, (size_t)length, 0) == length);
        _exit(0);
    }
    struct iovec part = {text, sizeof text};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof control};
    CHECK(recvmsg(pair[0], &message, 0) > 0);
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_type == SCM_CREDENTIALS) {
            struct ucred *who = (void *)CMSG_DATA(head);
            printf("'%s' by %d of %d, %d\n", text, who->pid, who->uid, who->gid);
        } else {
            struct timespec *when = (void *)CMSG_DATA(head);
            printf("type %d at %lld.%09ld\n", head->cmsg_type, (long long)when->tv_sec, when->tv_nsec);
        }
    }
    struct ucred peer;
    socklen_t length = sizeof peer;
    CHECK(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0);
    printf("peer %d of %d\n", peer.pid, peer.uid);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return 0;
}
