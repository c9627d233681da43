// Messages looked at without taking them, cut messages with their true length, errors, urgent bytes.
#include "guest.h"

#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(void) {
    int pair[2], stream[2], number;
    char text[64] = "", full[64];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0);
    int size = snprintf(full, sizeof full, "%d at %llu", getpid(), guest_now());
    CHECK(send(pair[1], full, (size_t)size, 0) == size);
    ssize_t length = recv(pair[0], text, 4, MSG_PEEK);
    printf("peek %zd %s\n", length, text);
    length = recv(pair[0], text, 5, MSG_PEEK | MSG_TRUNC);
    printf("true length %zd %s\n", length, text);
    CHECK(ioctl(pair[0], FIONREAD, &number) == 0);
    printf("%d wait\n", number);
    struct iovec part = {text, 6};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    length = recvmsg(pair[0], &message, MSG_TRUNC);
    printf("cut %zd %s flags %x\n", length, text, message.msg_flags);
    length = recv(pair[0], text, 5, MSG_DONTWAIT);
    printf("none %zd errno %d\n", length, errno);
    CHECK(send(stream[1], full, (size_t)size, MSG_MORE) == size);
    length = recv(stream[0], text, 3, MSG_WAITALL);
    printf("stream %zd %.3s\n", length, text);
    length = recv(stream[0], NULL, 0, MSG_TRUNC | MSG_DONTWAIT);
    printf("nothing %zd\n", length);
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(1)};
    nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(udp, (void *)&nobody, sizeof nobody) == 0 && send(udp, "x", 1, 0) == 1);
    usleep(1000);
    socklen_t room = sizeof number;
    CHECK(getsockopt(udp, SOL_SOCKET, SO_ERROR, &number, &room) == 0);
    printf("refused %d", number);
    length = connect(tcp, (void *)&nobody, sizeof nobody);
    printf(" %zd errno %d\n", length, errno);
    printf("not connected %zd errno %d", send(tcp, "x", 1, MSG_NOSIGNAL), errno);
    printf(" peer %d errno %d\n", getpeername(tcp, (void *)&nobody, &room), errno);
    close(stream[0]);
    printf("broken %zd errno %d\n", send(stream[1], "x", 1, MSG_NOSIGNAL), errno);
    return 0;
}
